import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'tap'
import { loadDeviceSpecs } from '../../../src/hardware/match.js'
import { goldenFile, goldenModels, placementText, preparedModel } from '../../fixtures/quantization/golden-placements.js'

test('each device takes the quantizers of its golden list, in every trained model', async t => {
  const models = await Promise.all(goldenModels.map(preparedModel))
  for (const spec of await loadDeviceSpecs()) {
    const file = goldenFile(spec.name)
    const golden = existsSync(file) ? readFileSync(file, 'utf8') : undefined
    t.equal(
      placementText(spec, models),
      golden,
      `${spec.name}: write-golden-placements.js writes the list anew after a change that was meant`,
    )
  }
})

test('no golden list is left of a device that is gone', async t => {
  const names = (await loadDeviceSpecs()).map(({ name }) => `${name}.txt`)
  t.same(readdirSync(dirname(goldenFile('any'))).sort(), [...names].sort())
})
