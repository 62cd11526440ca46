import type { Engine, Profile } from '../../engines/engine.js'
import { Graph, type Model } from '../../graph/graph.js'
import { makeNode, type Node } from '../../graph/node.js'
import { writeModel } from '../../graph/onnx/write.js'
import { type ConstantTensor, constant, elementCount, scalar, type Tensor } from '../../graph/tensor/tensor.js'
import type { CostPoints, CostTable } from './cost-table.js'

/** Pictures of which the conversions are measured, channels and side: 2 to 256 thousand values. */
const sizes = [
  [8, 16],
  [16, 32],
  [32, 48],
  [64, 64],
] as const

const kinds = ['enter', 'leave'] as const

/**
 * What converting takes, at several sizes: between float operators and an integer convolution, as the lowering writes it, with what the engine puts in to change
 * layouts (`planes`), and the conversion alone (`rows`).
 * @throws ERR_ENGINE_*
 */
export async function measureConversions(
  profile: NonNullable<Engine['profile']>,
  { threads, runs }: { threads: number; runs: number },
): Promise<CostTable['conversions']> {
  const points = {
    planes: { enter: [] as CostPoints, leave: [] as CostPoints },
    rows: { enter: [] as CostPoints, leave: [] as CostPoints },
  }
  for (const [channels, side] of sizes) {
    const shape = [1, channels, side, side]
    const count = elementCount(shape)
    const x: Tensor = { dtype: 'float32', shape, data: Float32Array.from({ length: count }, (_, at) => Math.sin(at)) }
    const [measured] = await profile([writeModel(sandwich(shape))], { inputs: { x }, threads, runs })
    for (const kind of kinds) {
      const { whole, alone } = conversionTimes(measured!, kind)
      points.planes[kind].push([count, whole])
      points.rows[kind].push([count, alone])
    }
  }
  return points
}

/** Between the integer convolution and the float operator before or behind it: everything, and the conversion alone. */
function conversionTimes({ operators, optimized }: Profile, kind: 'enter' | 'leave'): { whole: number; alone: number } {
  const times = new Map(operators.map(({ name, us }) => [name, us]))
  let node = optimized.nodes.find(({ opType }) => opType === 'QLinearConv')
  let whole = 0
  let alone = 0
  for (;;) {
    node =
      node === undefined ? undefined : kind === 'enter' ? optimized.producer(node.inputs[0]!) : optimized.consumers(node.outputs[0]!)[0]
    if (node === undefined || /^(Conv|FusedConv|Add)$/.test(node.opType)) return { whole, alone }
    const us = times.get(node.name) ?? 0
    whole += us
    if (node.opType === 'QuantizeLinear' || node.opType === 'DequantizeLinear') alone += us
  }
}

/** Float convolution, integer convolution, float sum, float convolution: a sum is no convolution, so the engine's layout of its own ends before it. */
function sandwich(shape: readonly number[]): Model {
  const channels = shape[1]!
  const weights = Float32Array.from({ length: channels * channels }, (_, at) => Math.cos(at) / channels)
  const codes = Int8Array.from(weights, value => Math.round(value * channels * 100))
  const constants: Record<string, ConstantTensor> = {
    w: constant('float32', [channels, channels, 1, 1], weights),
    codes: constant('int8', [channels, channels, 1, 1], codes),
    steps: constant('float32', [channels], new Float32Array(channels).fill(1 / (100 * channels))),
    scale: scalar('float32', Float32Array.of(1 / 64)),
    zero: scalar('uint8', Uint8Array.of(128)),
  }
  const op = (opType: string, inputs: readonly string[], output: string): Node =>
    makeNode({ name: output, opType, inputs, outputs: [output] })
  const quantized = (value: string) => [
    op('QuantizeLinear', [value, 'scale', 'zero'], `${value}/codes`),
    op('DequantizeLinear', [`${value}/codes`, 'scale', 'zero'], `${value}/back`),
  ]
  const nodes = [
    op('Conv', ['x', 'w'], 'first'),
    ...quantized('first'),
    makeNode({
      name: 'weights',
      opType: 'DequantizeLinear',
      inputs: ['codes', 'steps'],
      outputs: ['weights'],
      attributes: { axis: { kind: 'int', value: 0 } },
    }),
    op('Conv', ['first/back', 'weights'], 'second'),
    ...quantized('second'),
    op('Add', ['second/back', 'x'], 'sum'),
    op('Conv', ['sum', 'w'], 'third'),
  ]
  const graph = new Graph({
    name: 'conversions',
    nodes,
    inputs: [{ name: 'x', dtype: 'float32', shape }],
    outputs: [{ name: 'third', dtype: 'float32', shape }],
    initializers: new Map(Object.entries(constants)),
  })
  return { irVersion: 8, opsets: new Map([['', 17]]), graph }
}
