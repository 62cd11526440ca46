import { test } from 'tap'
import type { Engine } from '../../../src/engines/engine.js'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import { StagedRun } from '../../../src/quantization/statistics/staged-run.js'
import { buildModel, difference, f32, floats, i64, op, runModel } from '../../fixtures/graph-builder.js'

/** x -> a -> b, and a residual sum of a and b behind it; a Reshape by arithmetic on shapes. */
const model = () =>
  buildModel({
    inputs: { x: ['float32', ['n', 4]] },
    outputs: { y: ['float32', ['n', 4]] },
    constants: {
      w: f32(
        [4, 4],
        Float32Array.from({ length: 16 }, (_, at) => (at % 5) - 2),
      ),
      two: i64([1], [2]),
    },
    nodes: [
      op('MatMul', ['x', 'w'], 'a'),
      op('Relu', ['a'], 'r'),
      op('Shape', ['r'], 'shape'),
      op('Reshape', ['r', 'shape'], 'same'),
      op('MatMul', ['same', 'w'], 'b'),
      op('Add', ['a', 'b'], 'sum'),
      op('MatMul', ['sum', 'w'], 'y'),
    ],
  })

/** An engine that counts its sessions. */
function counting(): { readonly engine: Engine; readonly opened: () => number } {
  let count = 0
  const open: Engine['open'] = (...call) => {
    count += 1
    return onnxruntimeEngine.open(...call)
  }
  return { engine: { ...onnxruntimeEngine, open }, opened: () => count }
}

test('stage after stage gives what one run of the whole model gives', async t => {
  const feeds = [{ x: floats([2, 4], 1) }, { x: floats([1, 4], 2) }]
  const staged = new StagedRun({ model: model(), feeds, targets: ['a', 'b', 'y'], engine: onnxruntimeEngine, threads: 1 })
  for (const target of ['a', 'b', 'y']) await staged.valuesOf(target)
  const found = await staged.valuesOf('y')
  for (const [at, feed] of feeds.entries()) t.equal(difference(await runModel(model(), feed), { y: found[at]! }), 0, `run ${at}`)
})

test('a value that is asked for again, or lies on the way of a later one, is not computed again', async t => {
  const { engine, opened } = counting()
  const staged = new StagedRun({ model: model(), feeds: [{ x: floats([1, 4]) }], targets: ['b', 'sum'], engine, threads: 1 })
  await staged.valuesOf('b')
  await staged.valuesOf('b')
  t.equal(opened(), 1)
  staged.release('b')
  const graph = staged.graph
  graph.replaceNode(graph.producer('a')!, op('Identity', ['missing'], 'a'))
  await t.resolves(staged.valuesOf('sum'), 'a was kept for the sum: what made it is not run again')
})

test('an edit of the graph shows in what is computed behind it', async t => {
  const staged = new StagedRun({
    model: model(),
    feeds: [{ x: floats([1, 4]) }],
    targets: ['a', 'y'],
    engine: onnxruntimeEngine,
    threads: 1,
  })
  const [a] = await staged.valuesOf('a')
  staged.graph.replaceNode(staged.graph.producer('y')!, op('Sub', ['sum', 'b'], 'y'))
  const [y] = await staged.valuesOf('y')
  t.ok(difference({ v: a! }, { v: y! }) < 1e-6, '(a + b) - b')
})

test('an aborted run says so', async t => {
  const options = { model: model(), feeds: [{ x: floats([1, 4]) }], targets: ['y'], engine: onnxruntimeEngine, threads: 1 }
  await t.rejects(new StagedRun({ ...options, signal: AbortSignal.abort() }).valuesOf('y'), { code: 'ERR_ABORTED' })
})
