import { test } from 'tap'
import type { CapturedSample } from '../../../src/gateway/calibration/capture.js'
import { splitSamples } from '../../../src/gateway/jobs/split-samples.js'

function captured(reservoir: number, more: { leastConfident?: number; labelled?: number } = {}): CapturedSample[] {
  const sample = (index: number, pool: CapturedSample['pool'], label: number | undefined): CapturedSample => ({
    id: `${pool}-${String(index).padStart(5, '0')}`,
    path: '/nowhere',
    contentType: 'image/png',
    pool,
    ...(label === undefined ? {} : { label }),
  })
  return [
    ...Array.from({ length: reservoir }, (_, index) => sample(index, 'reservoir', index < (more.labelled ?? 0) ? 1 : undefined)),
    ...Array.from({ length: more.leastConfident ?? 0 }, (_, index) => sample(index, 'least-confident', 1)),
  ]
}

test('sizes of both parts, by what there is', async t => {
  for (const [reservoir, wanted, calibration, heldOut] of [
    [0, 300, 0, 0],
    [20, 300, 10, 10],
    [149, 300, 75, 74],
    [150, 300, 50, 100],
    [260, 100, 100, 160],
    [500, 300, 300, 200],
    [2000, 300, 300, 1000],
    [2000, 0, 0, 1000],
  ] as const) {
    const split = splitSamples(captured(reservoir), wanted)
    t.same([split.calibration.length, split.heldOut.length], [calibration, heldOut], `${reservoir} samples, ${wanted} wanted`)
  }
})

test('nothing is judged with what was calibrated on, nor with the least confident', async t => {
  const { calibration, heldOut } = splitSamples(captured(400, { leastConfident: 200 }), 200)
  const used = new Set(calibration.map(({ id }) => id))
  t.notOk(heldOut.some(({ id }) => used.has(id)))
  t.ok(heldOut.every(({ pool }) => pool === 'reservoir'))
  t.equal(calibration.filter(({ pool }) => pool === 'least-confident').length, 20, 'a tenth of the calibration at most')
  t.equal(calibration.length, 200)
})

test('with enough labels only labelled samples judge, with too few no label does', async t => {
  const enough = splitSamples(captured(400, { labelled: 150 }), 200)
  t.equal(enough.heldOut.length, 150)
  t.ok(enough.heldOut.every(({ label }) => label !== undefined))
  const few = splitSamples(captured(400, { labelled: 60 }), 200)
  t.equal(few.heldOut.length, 200)
  t.ok(few.heldOut.every(({ label }) => label === undefined))
})

test('the same samples are parted the same way, in order of capture', async t => {
  const samples = captured(300)
  t.same(splitSamples(samples, 100), splitSamples(samples, 100))
  const ids = splitSamples(samples, 100).heldOut.map(({ id }) => id)
  t.same(ids, [...ids].sort())
})
