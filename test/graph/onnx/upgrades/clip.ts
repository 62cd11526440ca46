import { test } from 'tap'
import { float, int } from '../../../../src/graph/node.js'
import { liftOpset } from '../../../../src/graph/onnx/lift.js'
import { buildModel, floats, op, runModel } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

test('clip keeps each bound, or its absence', async t => {
  for (const opset of [7, 9, 10]) {
    await assertLifted(t, `both at ${opset}`, { opset, nodes: [op('Clip', ['x'], 'y', { min: float(-0.25), max: float(0.5) })] })
    await assertLifted(t, `max at ${opset}`, { opset, nodes: [op('Clip', ['x'], 'y', { max: float(0.5) })] })
    await assertLifted(t, `min at ${opset}`, { opset, nodes: [op('Clip', ['x'], 'y', { min: float(-0.25) })] })
    await assertLifted(t, `none at ${opset}`, { opset, nodes: [op('Clip', ['x'], 'y')] })
  }
})

test('a bound takes the type of the data, known or not', async t => {
  const bounds = { min: float(-0.25), max: float(0.5) }
  const x = floats([2, 5])
  // ONNX Runtime has no kernel of Clip-6 for these types: the lifted graph is held to the definition.
  const expected = [...x.data].map(value => Math.min(Math.max(Number(value), -0.25), 0.5))
  for (const [title, to, cast] of [
    ['float64', 11, false],
    ['float16', 10, true],
  ] as const) {
    const model = buildModel({
      opset: 10,
      inputs: { x: ['float32', [2, 5]] },
      outputs: { y: ['float32', [2, 5]] },
      nodes: [op('Cast', ['x'], 'c', { to: int(to) }), op('Clip', ['c'], 'd', bounds), op('Cast', ['d'], 'y', { to: int(1) })],
    })
    const lifted = liftOpset(model)
    t.equal(
      lifted.graph.nodes.some(({ opType }) => opType === 'CastLike'),
      cast,
      title,
    )
    const { y } = await runModel(lifted, { x })
    t.ok(
      [...y!.data].every((value, index) => Math.abs(Number(value) - expected[index]!) < 1e-3),
      title,
    )
  }
})
