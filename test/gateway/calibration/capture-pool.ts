import { test } from 'tap'
import { type Candidate, CapturePool } from '../../../src/gateway/calibration/capture-pool.js'
import { CaptureSettings } from '../../../src/samples/manifest.js'

const pool = (settings: Partial<CaptureSettings>) => {
  const made = new CapturePool({ model: 'm', reservoir: { seed: 3, seen: 0, capacity: settings.max_samples ?? 2000 }, records: [] })
  made.configure(CaptureSettings.parse({ mode: 'on', ...settings }))
  return made
}
const candidate = (number: number, more: Partial<Candidate> = {}): Candidate => ({
  id: String(number).padStart(6, '0'),
  contentType: 'application/octet-stream',
  sizeBytes: 1000,
  operatingMs: number,
  ...more,
})

test('a request that the reservoir refuses may stay for its small margin', async t => {
  const captured = pool({ max_samples: 10, least_confident: 2 })
  for (let number = 1; number <= 10; number += 1) captured.admit(candidate(number, { confidence: 0.5 }))
  let least = 0
  for (let number = 11; number <= 60; number += 1) {
    const { put } = captured.admit(candidate(number, { confidence: 1 / number }))
    if (put?.pool === 'least-confident') least += 1
  }
  t.match(captured.figures, { reservoir: 10, leastConfident: 2, samples: 12, bytes: 12_000 })
  t.ok(least > 2, 'newcomers with smaller margins took the places')
})

test('bytes never exceed the budget, and what goes is named', async t => {
  const captured = pool({ max_mb: 1, max_samples: 1000 })
  const held = new Set<string>()
  for (let number = 1; number <= 200; number += 1) {
    const { put, drop } = captured.admit(candidate(number, { sizeBytes: 50_000, confidence: 0.5 }))
    if (put !== undefined) held.add(put.id)
    for (const id of drop) t.ok(held.delete(id), `${id} was held`)
    t.ok(captured.figures.bytes <= 2 ** 20)
  }
  t.same([...held].sort(), [...captured.records].map(({ id }) => id).sort())
  t.ok(captured.figures.samples >= 19 && captured.figures.samples <= 20)
  t.equal(captured.reservoir.seen, 200)
})

test('a request larger than the whole budget stops capture until one fits', async t => {
  const captured = pool({ max_mb: 1 })
  t.same(captured.admit(candidate(1, { sizeBytes: 2 ** 21 })), { put: undefined, drop: [] })
  t.equal(captured.stopped, 'budget')
  t.ok(captured.admit(candidate(2)).put)
  t.equal(captured.stopped, undefined)
})

test('samples leave when they are too old, the youngest stay', async t => {
  const captured = pool({})
  for (let number = 1; number <= 10; number += 1) captured.admit(candidate(number))
  t.same(captured.expire(1), [])
  t.same(captured.expire(8).map(Number), [1, 2, 3, 4, 5, 6, 7])
  t.equal(captured.figures.samples, 3)
})

test('a label finds its request while the sample is there', async t => {
  const captured = pool({})
  captured.admit(candidate(1, { requestId: 'r1' }))
  t.equal(captured.label('r1', 7), '000001')
  t.equal(captured.label('r2', 7), undefined)
  t.match([...captured.records], [{ label: 7 }])
  t.equal(captured.figures.labelled, 1)
  captured.clear()
  t.equal(captured.label('r1', 7), undefined)
  t.match(captured.figures, { samples: 0, bytes: 0 })
})

test('a budget that shrinks drops at once', async t => {
  const captured = pool({ max_samples: 100 })
  for (let number = 1; number <= 100; number += 1) captured.admit(candidate(number))
  t.equal(captured.configure(CaptureSettings.parse({ mode: 'on', max_samples: 40 })).length, 60)
  t.equal(captured.figures.samples, 40)
})

test('a capacity lowered by the budget survives a restart', async t => {
  const settings = CaptureSettings.parse({ mode: 'on', max_mb: 1, max_samples: 1000 })
  const captured = pool(settings)
  for (let number = 1; number <= 100; number += 1) captured.admit(candidate(number, { sizeBytes: 50_000 }))
  const again = new CapturePool({ model: 'm', reservoir: captured.reservoir, records: [...captured.records] })
  again.configure(settings)
  t.same(again.reservoir, captured.reservoir)
  t.same(again.figures, captured.figures)
})
