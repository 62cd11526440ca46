import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import { branchOf } from '../../../src/graph/branches.js'
import type { Model } from '../../../src/graph/graph.js'
import { ints } from '../../../src/graph/node.js'
import { subgraphsOf, verifyGraph } from '../../../src/graph/verify.js'
import { takeBranches } from '../../../src/quantization/statistics/take-branches.js'
import { openVerified } from '../../../src/quantization/verify-kernels.js'
import { buildGraph, buildModel, difference, f32, floats, i64, op, runModel, seeded } from '../../fixtures/graph-builder.js'
import { memorySamples } from '../../fixtures/quantization/memory-samples.js'
import { quantized } from '../../fixtures/quantization/quantized.js'

const image = ['float32', ['n', 4, 8, 8]] as const
const same = { pads: ints([1, 1, 1, 1]), kernel_shape: ints([3, 3]) }

/** If(rate == 16000): two convolutions, the second inside another If on `deep`; else one convolution. A sum with the input behind it. */
function branching(): Model {
  const deepest = (name: string, seed: number) =>
    buildGraph({
      inputs: {},
      outputs: { [name]: ['float32'] },
      constants: { [`w/${name}`]: seeded([4, 4, 3, 3], seed) },
      nodes: [op('Conv', ['r', `w/${name}`], name, same)],
    })
  const thenBranch = buildGraph({
    inputs: {},
    outputs: { a: ['float32'] },
    constants: { w: seeded([4, 4, 3, 3], 1) },
    nodes: [
      op('Conv', ['x', 'w'], 'c', same),
      op('Relu', ['c'], 'r'),
      op('If', ['deep'], 'a', {
        then_branch: { kind: 'graph', value: deepest('d', 2) },
        else_branch: { kind: 'graph', value: deepest('f', 3) },
      }),
    ],
  })
  const elseBranch = buildGraph({
    inputs: {},
    outputs: { e: ['float32'] },
    constants: { w3: seeded([4, 4, 1, 1], 4) },
    nodes: [op('Conv', ['x', 'w3'], 'e')],
  })
  return buildModel({
    inputs: { x: image, rate: ['int64', []], deep: ['bool', []] },
    outputs: { y: image },
    constants: { high: i64([], [16000]), half: f32([], [0.5]) },
    nodes: [
      op('Equal', ['rate', 'high'], 'is16k'),
      op('If', ['is16k'], 'z', { then_branch: { kind: 'graph', value: thenBranch }, else_branch: { kind: 'graph', value: elseBranch } }),
      op('Add', ['z', 'half'], 'y'),
    ],
  })
}

const feed = (seed: number, rate: number, deep: boolean) =>
  ({
    x: floats([1, 4, 8, 8], seed),
    rate: { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(rate)) },
    deep: { dtype: 'bool', shape: [], data: Uint8Array.of(deep ? 1 : 0) },
  }) as const

const take = (model: Model, feeds: readonly ReturnType<typeof feed>[]) =>
  takeBranches({ model, samples: memorySamples(feeds), sampleCount: feeds.length, engine: onnxruntimeEngine })

test('the branches that all samples take come into the main graph, nested ones too', async t => {
  const taken = await take(
    branching(),
    [1, 2, 3].map(seed => feed(seed, 16000, false)),
  )
  verifyGraph(taken.model.graph)
  t.same(
    taken.model.graph.nodes.filter(({ opType }) => opType === 'Conv').map(({ inputs }) => inputs[1]),
    ['w', 'w/f'],
  )
  t.same(taken.sampleIndices, [0, 1, 2])
  t.match(taken.notes, [/all calibration samples take the then branch of 'z'.*else branch stay float/, /the else branch of 'a'/])
})

test('samples that take the rarer branch are not calibrated on', async t => {
  const feeds = [feed(1, 16000, true), feed(2, 8000, true), feed(3, 16000, true), feed(4, 16000, false)]
  const taken = await take(branching(), feeds)
  t.same(taken.sampleIndices, [0, 2])
  t.match(taken.notes, [/3 of 4 calibration samples, which alone are calibrated on/, /2 of 3/])
})

test('a model without layers in its branches comes back as it is', async t => {
  const pick = (name: string) => buildGraph({ inputs: {}, outputs: { s: ['float32'] }, nodes: [op(name, ['c'], 's')] })
  const model = buildModel({
    inputs: { x: image, go: ['bool', []] },
    outputs: { s: image },
    constants: { w: seeded([4, 4, 1, 1]) },
    nodes: [
      op('Conv', ['x', 'w'], 'c'),
      op('If', ['go'], 's', { then_branch: { kind: 'graph', value: pick('Relu') }, else_branch: { kind: 'graph', value: pick('Neg') } }),
    ],
  })
  const taken = await take(model, [feed(1, 1, true)])
  t.equal(taken.model, model)
  t.same(taken.notes, [])
})

test('the branch that was taken gets integer kernels inside its If, the other answers as float', async t => {
  const model = branching()
  const feeds = [1, 2, 3, 4].map(seed => feed(seed, 16000, true))
  const taken = await take(model, feeds)
  const candidate = await quantized(taken.model, feeds, { refold: taken.refold })
  const { session, kernels } = await openVerified(onnxruntimeEngine, candidate.bytes, 1)
  t.same(kernels.integer, { QLinearConv: 2 })
  t.same([...kernels.integerNames].sort(), ['c', 'd'])
  const whole = taken.refold(candidate.lowered)
  const [outer] = whole.graph.nodes.filter(({ opType }) => opType === 'If')
  t.equal(subgraphsOf(outer!).length, 2)
  t.ok(branchOf(outer!, 'then_branch')!.nodes.some(({ opType }) => opType === 'If'))
  const other = feed(9, 8000, true)
  t.ok(difference(await runModel(model, other), { y: (await session.infer(other)).y! }) < 1e-5, 'the branch not taken is untouched')
  const apart = difference(await runModel(model, feeds[0]!), { y: (await session.infer(feeds[0]!)).y! })
  t.ok(apart > 0 && apart < 0.05, `int8 is close to float: ${apart}`)
  await session.close()
})

test('a condition that cannot be computed from the samples says which input is missing', async t => {
  const { x, deep } = feed(1, 16000, true)
  const feeds = [{ x, deep }] as unknown as ReturnType<typeof feed>[]
  await t.rejects(take(branching(), feeds), { code: 'ERR_ENGINE_FEED' })
})
