import { test } from 'tap'
import { int } from '../../../src/graph/node.js'
import { place } from '../../../src/quantization/placement/place.js'
import { buildModel, op, seeded } from '../../fixtures/graph-builder.js'
import { printPlacement } from '../../fixtures/quantization/print-placement.js'
import { allOps, placed } from '../../fixtures/quantization/quantized.js'
import { attentionNet, depthwiseNet, residualNet, seededInputs, squeezeNet } from '../../fixtures/quantization/small-models.js'

const goldens = {
  residual: `
int8    Conv c1 + Relu
removed Relu r1
int8    Conv c2
int8    Add s + Relu
removed Relu r2
int8    GlobalAveragePool p
codes   Flatten f
int8    Gemm y -> float

> x
= r1 within 0..Infinity
= c2
= r2 within 0..Infinity
= p
= f as p
`,
  depthwise: `
int8    Conv c1
int8    HardSwish h + Mul + Add
removed Mul m
removed Add a
int8    Conv c2 + Clip
removed Clip k
int8    Conv y

> x
= c1 within -3..Infinity
= a x * 0.80 + -0.25
= k within 0..6
= y
`,
  squeeze: `
int8    Conv c1 + Relu
removed Relu r1
int8    GlobalAveragePool p
float   Conv a: gate of a squeeze-excite block: no time in it, and it scales whole channels
float   Relu ar: Relu has no integer kernel that is faster than float
float   Conv b: gate of a squeeze-excite block: no time in it, and it scales whole channels
float   HardSigmoid g: HardSigmoid has no integer kernel that is faster than float
int8    Mul m
int8    Conv y

> x
= r1 within 0..Infinity
= p
> g
= m
= y
`,
  attention: `
int8    MatMul qm + Add
removed Add qb
codes   Reshape qr
codes   Transpose qt
int8    MatMul km + Add
removed Add kb
codes   Reshape kr
codes   Transpose kt
int8    MatMul vm + Add
removed Add vb
codes   Reshape vr
codes   Transpose vt
int8    MatMul scores -> float
float   Softmax weights: Softmax has no integer kernel that is faster than float
int8    MatMul mixed
codes   Transpose back
codes   Reshape joined
int8    MatMul om + Add -> float
removed Add ob
float   Add sum: its neighbours are float, where an integer operator would only add conversions
float   LayerNormalization y: LayerNormalization has no integer kernel that is faster than float

> x
= qb
= qr as qb
= qt as qb
= kb int8
= kr as kb int8
= kt as kb int8
= vb int8
= vr as vb int8
= vt as vb int8
> weights 0..1
= mixed
= back as mixed
= joined as mixed
`,
}
const nets = { residual: residualNet, depthwise: depthwiseNet, squeeze: squeezeNet, attention: attentionNet }

for (const [name, net] of Object.entries(nets)) {
  test(`the ${name} net is placed as drawn`, async t => {
    const model = net()
    const { placement } = await placed(model, seededInputs(model, 1))
    t.equal(`\n${printPlacement(placement)}\n`, goldens[name as keyof typeof goldens])
  })
}

test('multiply-adds are those of one sample', async t => {
  const model = residualNet()
  const { placement } = await placed(model, seededInputs(model, 1))
  const macs = Object.fromEntries(placement.layers.filter(layer => layer.macs > 0).map(({ node, macs }) => [node.name, macs]))
  t.same(macs, { c1: 8 * 64 * 4 * 9, c2: 8 * 64 * 8 * 9, y: 3 * 8 })
})

test('a convolution kept float takes the sum behind it with it, not the rest', async t => {
  const model = residualNet()
  const { placement } = await placed(model, seededInputs(model, 1), new Map([['c2', 'because']]))
  const states = Object.fromEntries(placement.layers.map(({ node, state }) => [node.name, state]))
  t.match(states, { c1: 'int8', c2: 'float', s: 'float', p: 'float', f: 'float', y: 'int8' })
  t.equal(placement.layers.find(({ node }) => node.name === 'c2')!.reason, 'because')
})

test('an operator that the device does not take in int8 stays float, with that reason', async t => {
  const model = residualNet()
  const { shapes } = await placed(model, seededInputs(model, 1))
  const { layers } = place({ graph: model.graph, shapes, keepFloat: new Map(), ops: new Set(['Conv']), weightRange: 'full' })
  const add = layers.find(({ node }) => node.name === 's')
  t.match(add, { state: 'float', reason: 'the device takes no int8 Add' })
})

test('a value that is also a result of the graph keeps its quantizer, and Relu behind two readers does not fold', async t => {
  const model = buildModel({
    inputs: { x: ['float32', ['n', 4, 8, 8]] },
    outputs: { c: ['float32', ['n', 4, 8, 8]], y: ['float32', ['n', 2, 8, 8]] },
    constants: { w1: seeded([4, 4, 1, 1], 1), w2: seeded([2, 4, 1, 1], 2) },
    nodes: [op('Conv', ['x', 'w1'], 'c'), op('Relu', ['c'], 'r'), op('Conv', ['r', 'w2'], 'y')],
  })
  const { placement } = await placed(model, seededInputs(model, 1))
  const conv = placement.layers.find(({ node }) => node.name === 'c')!
  t.same(placement.units.get(conv.node)!.folded, [])
  t.ok(placement.quantizers.has('c') && placement.quantizers.has('r'))
})

test('weights that are computed are no weights', async t => {
  const model = buildModel({
    inputs: { x: ['float32', [1, 4, 8, 8]], w: ['float32', [4, 4, 1, 1]] },
    outputs: { y: ['float32', [1, 4, 8, 8]] },
    nodes: [op('Conv', ['x', 'w'], 'y', { group: int(1) })],
  })
  const inputs = { ...seededInputs(model, 1)[0]!, w: { dtype: 'float32' as const, shape: [4, 4, 1, 1], data: new Float32Array(16) } }
  const { placement } = await placed(model, [inputs])
  t.match(placement.layers, [{ state: 'float', reason: 'its weights are computed, not constant' }])
})

test('where int8 beside uint8 would saturate, no operand of a product of computed matrices is int8', async t => {
  const model = attentionNet()
  const { shapes } = await placed(model, seededInputs(model, 1))
  const signed = (weightRange: 'full' | 'half') =>
    [...place({ graph: model.graph, shapes, keepFloat: new Map(), ops: allOps, weightRange }).quantizers.values()].filter(
      quantizer => quantizer.signed,
    )
  t.equal(signed('full').length, 6)
  t.same(signed('half'), [])
})
