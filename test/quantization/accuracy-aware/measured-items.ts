import { test } from 'tap'
import type { Session } from '../../../src/engines/engine.js'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'
import { heldDemands } from '../../../src/quantization/accuracy-aware/held-demands.js'
import { MeasuredItems } from '../../../src/quantization/accuracy-aware/measured-items.js'
import { memorySamples } from '../../fixtures/quantization/memory-samples.js'

const row = (...values: number[]): Tensor => ({ dtype: 'float32', shape: [1, values.length], data: Float32Array.from(values) })

/** Answers with its input times `factors`, and counts its runs. */
function session(factors: readonly number[]) {
  const counted = {
    runs: 0,
    closed: 0,
    inputs: [],
    outputs: [],
    infer: async ({ x }: Readonly<Record<string, Tensor>>) => {
      counted.runs += 1
      return { y: { ...x!, data: (x!.data as Float32Array).map((value, at) => value * factors[at % factors.length]!) } }
    },
    close: async () => {
      counted.closed += 1
    },
  }
  return counted satisfies Session
}

function measured(batch = 1, keptBytes = 1000, task: 'classification' | 'other' = 'classification') {
  const inputs = [row(3, 1), row(1, 3), row(2, 1), row(1, 2)].map(x => ({ x }))
  const float = session([1, 1])
  const judging = { task, ...(task === 'other' ? { metric: 'agreement' } : {}) }
  const items = new MeasuredItems({
    samples: memorySamples(inputs, [0, 1, 1, 1]),
    judging,
    output: 'y',
    batch,
    demandsFor: first => heldDemands({ metric: 'auto', max_drop: 0.01 }, judging, first),
    openFloat: async () => float,
    keptBytes,
  })
  return { items, float }
}

test('values, figures and distances are those of the items that were asked for, in their order', async t => {
  for (const batch of [1, 3]) {
    const { items } = measured(batch)
    t.match(await items.float(), { values: [0.75], noise: 0, figures: [Float64Array.of(1, 1, 0, 1)], distances: new Float64Array(4) })
    const all = await items.int8(session([1, 4]), undefined)
    t.same([all.values, [...all.figures[0]!]], [[0.75], [0, 1, 1, 1]], `batch ${batch}`)
    t.ok(Math.abs(all.distances[0]! - 9 / 10) < 1e-6, 'noise over signal of one item')
    const some = await items.int8(session([1, 4]), [2, 0])
    t.same([some.values, [...some.figures[0]!]], [[0.5], [1, 0]])
    t.ok(Math.abs(some.noise - (9 + 9) / (5 + 10)) < 1e-6)
  }
})

test('float is asked once, and closed once', async t => {
  const { items, float } = measured()
  await items.demands()
  await items.float()
  await items.int8(session([1, 1]), undefined)
  t.equal(float.runs, 4)
  await items.close()
  await items.close()
  t.equal(float.closed, 1)
})

test('float answers beyond what may be kept are computed anew only for whoever looks at them', async t => {
  const twoOfFour = 16
  const labelled = measured(1, twoOfFour)
  await labelled.items.float()
  const before = labelled.float.runs
  const all = await labelled.items.int8(session([1, 4]), undefined)
  t.equal(labelled.float.runs, before, 'a metric held to labels does not')
  t.same([...all.distances].map(Number.isNaN), [false, false, true, true])
  t.same([all.values, [...all.figures[0]!]], [[0.75], [0, 1, 1, 1]])
  t.ok(Math.abs(all.noise - (9 + 81) / 20) < 1e-6, 'noise is that of the items that were kept')
  const named = await labelled.items.int8(session([1, 4]), [2, 3])
  t.equal(labelled.float.runs, before + 2, 'items that are named are compared in full')
  t.notOk(named.distances.some(Number.isNaN))
  const byFloat = measured(1, twoOfFour, 'other')
  await byFloat.items.float()
  const runs = byFloat.float.runs
  t.notOk((await byFloat.items.int8(session([1, 4]), undefined)).distances.some(Number.isNaN))
  t.equal(byFloat.float.runs, runs + 2, 'agreement does')
})

test('an abort ends it between two runs', async t => {
  const { items } = measured()
  await t.rejects(items.int8(session([1, 1]), undefined, AbortSignal.abort()), { code: 'ERR_ABORTED' })
})
