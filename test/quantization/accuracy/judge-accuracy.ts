import { test } from 'tap'
import type { Session } from '../../../src/engines/engine.js'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'
import type { Judging } from '../../../src/quantization/accuracy/choose-metric.js'
import { judgeAccuracy, judgeAll } from '../../../src/quantization/accuracy/judge-accuracy.js'
import { Tally } from '../../../src/quantization/accuracy/tally.js'
import type { Label } from '../../../src/samples/sample.js'
import { memorySamples } from '../../fixtures/quantization/memory-samples.js'

const row = (...values: number[]): Tensor => ({ dtype: 'float32', shape: [1, values.length], data: Float32Array.from(values) })

interface Case {
  readonly items: number
  /** Items whose int8 answer is wrong though float's is right. */
  readonly flipped: number
  readonly maxDrop?: number
  readonly judging?: Judging
}

const [first, second] = [row(1, 0), row(0, 1)]

function judged({ items, flipped, maxDrop = 0.01, judging = {} }: Case, labelOf: (index: number) => Label | undefined = () => 0) {
  const tally = new Tally(judging, { metric: 'auto', max_drop: maxDrop })
  for (let index = 0; index < items; index += 1) tally.add({ float: first, int8: index < flipped ? second : first, label: labelOf(index) })
  return tally.judgement()
}

test('labelled classes are judged by top-1, and the allowed drop is the border', async t => {
  t.match(judged({ items: 200, flipped: 2 }), { verdict: 'accepted', metric: 'top1', by: 'labels', float: 1, int8: 0.99 })
  t.match(judged({ items: 200, flipped: 3 }), {
    verdict: 'refused',
    sentence: /loses too much accuracy: top1 100.00 % in float, 98.50 % in int8/,
  })
  t.match(judged({ items: 200, flipped: 3, maxDrop: 0.02 }), { verdict: 'accepted' })
})

test('a wrong float answer that int8 gets right is a gain', async t => {
  t.match(
    judged({ items: 100, flipped: 1 }, index => (index === 0 ? 1 : 0)),
    { verdict: 'accepted', float: 0.99, int8: 1 },
  )
})

test('fewer than 100 items judge nothing, however good they are', async t => {
  t.match(judged({ items: 99, flipped: 0 }), { verdict: 'unjudged', sentence: /only 99 of 100/ })
  t.match(judged({ items: 0, flipped: 0 }), { verdict: 'unjudged', sentence: /nothing was held out/, snr_db: null })
})

test('without labels a classifier is held to what float answers', async t => {
  const judging = { task: 'classification' } as const
  t.match(
    judged({ items: 100, flipped: 1, judging }, () => undefined),
    { verdict: 'accepted', metric: 'agreement', by: 'float', int8: 0.99 },
  )
  t.match(
    judged({ items: 100, flipped: 2, judging }, () => undefined),
    { verdict: 'refused', agreement: 0.98 },
  )
})

test('without labels or task the signal decides: 15 dB and cosine 0.99', async t => {
  for (const [noise, verdict] of [
    [0.1, 'accepted'],
    [0.3, 'refused'],
  ] as const) {
    const tally = new Tally({}, { metric: 'auto', max_drop: 0.01 })
    for (let index = 0; index < 100; index += 1) tally.add({ float: row(1, 1), int8: row(1 + noise, 1 - noise), label: undefined })
    t.match(tally.judgement(), { verdict, metric: 'signal', by: 'float', drop: null }, `noise ${noise}`)
  }
})

test('an error is judged relative to that of float', async t => {
  for (const [off, verdict] of [
    [0.1004, 'accepted'],
    [0.1012, 'refused'],
  ] as const) {
    const tally = new Tally({ task: 'regression' }, { metric: 'auto', max_drop: 0.01 })
    for (let index = 0; index < 100; index += 1) tally.add({ float: row(3.1), int8: row(3 + off), label: 3 })
    t.match(tally.judgement(), { verdict, metric: 'rmse', by: 'labels' }, String(off))
  }
})

test('texts are compared exactly, after trimming', async t => {
  const alphabet = ['', 'a', 'b', ' ']
  const line = (...classes: number[]): Tensor => ({
    dtype: 'float32',
    shape: [1, classes.length, 4],
    data: Float32Array.from(classes.flatMap(best => [0, 1, 2, 3].map(index => (index === best ? 1 : 0)))),
  })
  const tally = new Tally({ task: 'text', alphabet }, { metric: 'auto', max_drop: 0.01 })
  // float reads 'ab ' (label 'ab'); int8 reads 'aab' from a blank between equal symbols.
  for (let index = 0; index < 100; index += 1)
    tally.add({ float: line(1, 1, 2, 3), int8: index === 0 ? line(1, 0, 1, 2) : line(1, 2, 0, 0), label: 'ab' })
  t.match(tally.judgement(), { metric: 'text', by: 'labels', float: 1, int8: 0.99, verdict: 'accepted' })
})

test('both models see the same held-out samples, one after the other', async t => {
  const seen: string[] = []
  const session = (name: string, answer: Tensor): Session => ({
    inputs: [],
    outputs: [{ name: 'y', dtype: 'float32', shape: [1, 2] }],
    infer: async feeds => {
      seen.push(`${name}${feeds.x!.data[0]}`)
      return { y: answer }
    },
    close: async () => {},
  })
  const samples = memorySamples([{ x: row(0) }, { x: row(1) }], [0, 0])
  const options = { float: session('f', first), int8: session('i', second), samples, settings: { metric: 'auto', max_drop: 0.01 } as const }
  t.match(await judgeAccuracy({ ...options, judging: {} }), { items: 2, float: 1, int8: 0 })
  t.same(seen, ['f0', 'i0', 'f1', 'i1'])
  await t.rejects(judgeAccuracy({ ...options, judging: { output: 'z' } }), { code: 'ERR_QUANT_OUTPUT' })
  await t.rejects(judgeAccuracy({ ...options, judging: {}, signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' })
})

test('several models are held to one answer of float each, and one that fails leaves the others to it', async t => {
  const seen: string[] = []
  const session = (name: string, answer: (item: number) => Tensor): Session => ({
    inputs: [],
    outputs: [{ name: 'y', dtype: 'float32', shape: [1, 2] }],
    infer: async feeds => {
      seen.push(`${name}${feeds.x!.data[0]}`)
      return { y: answer(Number(feeds.x!.data[0])) }
    },
    close: async () => {},
  })
  const dies = (item: number): Tensor => {
    if (item === 1) throw new Error('out of memory')
    return first
  }
  const options = {
    float: session('f', () => first),
    samples: memorySamples([{ x: row(0) }, { x: row(1) }, { x: row(2) }], [0, 0, 0]),
    judging: {},
    settings: { metric: 'auto', max_drop: 0.01 } as const,
  }
  const models = [
    { session: session('a', () => second) },
    { session: session('b', dies) },
    { session: session('c', () => first), subject: 'the third' },
  ]
  const outcomes = await judgeAll({ ...options, models })
  t.same(seen, ['f0', 'a0', 'b0', 'c0', 'f1', 'a1', 'b1', 'c1', 'f2', 'a2', 'c2'])
  t.match(outcomes, [
    { kind: 'judged', judgement: { items: 3, float: 1, int8: 0 } },
    { kind: 'failed', error: { message: 'out of memory' } },
    { kind: 'judged', judgement: { items: 3, float: 1, int8: 1, sentence: /the third/ } },
  ])
  seen.length = 0
  await judgeAll({ ...options, models: [{ session: session('b', () => dies(1)) }] })
  t.same(seen, ['f0', 'b0'], 'where nobody is left to judge, nothing more is asked')
})
