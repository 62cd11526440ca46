import { test } from 'tap'
import { tuningItems } from '../../../src/quantization/accuracy-aware/tuning-items.js'
import type { SampleSource } from '../../../src/samples/sample.js'
import { memorySamples } from '../../fixtures/quantization/memory-samples.js'

const samples = (count: number, labels = 0): SampleSource =>
  memorySamples(
    Array.from({ length: count }, () => ({})),
    Array.from({ length: count }, (_, index) => (index < labels ? index : undefined)),
  )

const labelsOf = async (source: SampleSource) =>
  Promise.all(Array.from({ length: source.count }, async (_, index) => (await source.read(index)).label))

test('what the caller names to validate on decides, and the judge keeps its own', async t => {
  const validation = samples(50, 50)
  const heldOut = samples(300, 300)
  const items = await tuningItems({ samples: samples(300, 300), heldOut, validation })
  t.same([items.tuning, items.heldOut], [validation, heldOut])
  t.match(items.why, /50 validation samples that were given; the judge has 300 other items/)
})

test('a hundred labels among the calibration samples are tuned on, those without are left out', async t => {
  const items = await tuningItems({ samples: samples(300, 100), heldOut: samples(200, 200) })
  t.same([items.tuning.count, items.heldOut.count], [100, 200])
  t.ok((await labelsOf(items.tuning)).every(label => label !== undefined))
})

test('without labels of its own, tuning takes half of the held-out items, and the judge gets the others', async t => {
  const items = await tuningItems({ samples: samples(300, 99), heldOut: samples(400, 400) })
  t.same([items.tuning.count, items.heldOut.count], [200, 200])
  const [tuned, judged] = [new Set(await labelsOf(items.tuning)), await labelsOf(items.heldOut)]
  t.ok(
    judged.every(label => !tuned.has(label)),
    'no item is in both',
  )
  t.match(items.why, /held to 200 of the held-out items, and the judge has the other 200/)
})

test('with too few labels anywhere, calibration samples are held to float', async t => {
  const calibration = samples(300)
  const items = await tuningItems({ samples: calibration, heldOut: samples(199, 199) })
  t.equal(items.tuning, calibration)
  t.equal(items.heldOut.count, 199)
  t.match(items.why, /^there are too few labels: steps are held to what float answers to 300 calibration samples/)
})
