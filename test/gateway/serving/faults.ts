import { test } from 'tap'
import { Faults } from '../../../src/gateway/serving/faults.js'

const route = { model: 'm', version: '2', key: 'm@2#a', device: 'other0', parallel: 1 }

test('three faults in a row dismiss a version, an answer between them forgives', async t => {
  const dismissed: string[] = []
  const nothing = () => undefined
  const faults = new Faults({ silent: nothing, answers: nothing, dismiss: ({ key }, why) => void dismissed.push(`${key} ${why}`) })
  for (let round = 0; round < 4; round += 1) {
    faults.add(route, 'std::bad_alloc')
    faults.add(route, 'std::bad_alloc')
    faults.answered(route)
  }
  t.same(dismissed, [])
  faults.add({ ...route, key: 'm@2#b' }, 'of another opening')
  for (let fault = 0; fault < 3; fault += 1) faults.add(route, 'std::bad_alloc')
  t.same(dismissed, ['m@2#a std::bad_alloc'])
})
