import { test } from 'tap'
import { LeastConfident } from '../../../src/gateway/calibration/least-confident.js'

test('the smallest margins stay, whatever the order of arrival', async t => {
  const pool = new LeastConfident(3, [])
  const kept = new Set<string>()
  for (const confidence of [0.9, 0.2, 0.5, 0.7, 0.1, 0.8, 0.3]) {
    if (!pool.wants(confidence)) continue
    kept.add(String(confidence))
    const out = pool.place(String(confidence), confidence)
    if (out !== undefined) kept.delete(out)
  }
  t.same([...kept].sort(), ['0.1', '0.2', '0.3'])
  t.equal(pool.size, 3)
})

test('a pool of size 0 wants nothing', async t => {
  t.notOk(new LeastConfident(0, []).wants(0))
})

test('shrinking gives up the most confident first', async t => {
  const pool = new LeastConfident(3, [
    { id: 'sure', confidence: 0.9 },
    { id: 'unsure', confidence: 0.1 },
    { id: 'half', confidence: 0.5 },
  ])
  t.equal(pool.shrink(), 'sure')
  t.same(pool.resize(1), ['half'])
  pool.remove('unsure')
  t.equal(pool.shrink(), undefined)
})
