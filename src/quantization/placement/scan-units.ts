import type { Graph } from '../../graph/graph.js'
import { floatAttribute, intAttribute, isOp, type Node, stringAttribute } from '../../graph/node.js'
import { constantData } from '../../graph/tensor/tensor.js'
import type { Range } from '../ranges/affine.js'
import { type GivenQuantizers, givenBehind, noGivenQuantizers } from './given-quantizers.js'
import type { Shapes } from './shapes.js'
import type { Form, ScaleShift, Unit } from './unit.js'

/** Operators that hand codes on: equal parameters on both sides. Their first input alone is data. */
const moving = [
  'MaxPool',
  'Reshape',
  'Transpose',
  'Squeeze',
  'Unsqueeze',
  'Slice',
  'Flatten',
  'Tile',
  'Expand',
  'Gather',
  'GatherElements',
  'DepthToSpace',
  'Split',
] as const

/** Every operator that ONNX Runtime has an integer kernel for, with what folds into it; whether it is worth it is `place`'s to say. */
export function scanUnits(graph: Graph, shapes: Shapes, given: GivenQuantizers = noGivenQuantizers): Map<Node, Unit> {
  const units = new Map<Node, Unit>()
  const taken = new Set<Node>()
  for (const node of graph.nodes) {
    if (taken.has(node)) continue
    const unit = unitOf(graph, shapes, node, given)
    if (unit === undefined) continue
    units.set(node, unit)
    for (const folded of unit.folded) taken.add(folded)
  }
  return units
}

function unitOf(graph: Graph, shapes: Shapes, node: Node, given: GivenQuantizers): Unit | undefined {
  const linear = linearUnit(graph, node)
  if (linear !== undefined) return withActivation(graph, linear, given)
  const plain = plainForm(graph, shapes, node)
  if (plain === undefined) return undefined
  const data = node.inputs.filter((input, index) => input !== '' && !isConstant(graph, input) && (plain !== 'move' || index === 0))
  if (data.length === 0) return undefined
  const unit: Unit = { form: plain, main: node, folded: [], data, outputs: node.outputs.filter(output => output !== '') }
  if (plain === 'elementwise') return withActivation(graph, unit, given)
  return plain === 'hard-swish' ? withScaleShift(graph, unit) : unit
}

function linearUnit(graph: Graph, node: Node): Unit | undefined {
  const [data, weight, bias] = node.inputs
  if (data === undefined || weight === undefined || isConstant(graph, data)) return undefined
  if (graph.constant(weight)?.dtype !== 'float32') return undefined
  const base = { form: 'linear', main: node, folded: [], data: [data], weight, outputs: node.outputs } as const satisfies Unit
  if (isOp(node, 'Conv', 'Gemm')) {
    if (node.opType === 'Gemm' && intAttribute(node, 'transA', 0) !== 0) return undefined
    if (bias === undefined || bias === '') return base
    const constant = graph.constant(bias)
    const channels = channelsOf(graph, node)
    return constant?.dtype === 'float32' && constant.bytes.byteLength === 4 * channels ? { ...base, bias } : undefined
  }
  if (!isOp(node, 'MatMul') || graph.constant(weight)!.shape.length < 2) return undefined
  return withMatMulBias(graph, base)
}

/** Output channels of a Conv, Gemm or MatMul with constant weights. */
export function channelsOf(graph: Graph, node: Node): number {
  const { shape } = graph.constant(node.inputs[1]!)!
  if (node.opType === 'Conv') return shape[0]!
  return node.opType === 'Gemm' && intAttribute(node, 'transB', 0) !== 0 ? shape[0]! : shape.at(-1)!
}

function withMatMulBias(graph: Graph, unit: Unit): Unit {
  const add = graph.soleConsumer(unit.outputs[0]!)
  if (!isOp(add, 'Add')) return unit
  const bias = add.inputs.find(input => input !== unit.outputs[0])
  const constant = bias === undefined ? undefined : graph.constant(bias)
  const channels = channelsOf(graph, unit.main)
  if (
    bias === undefined ||
    constant?.dtype !== 'float32' ||
    constant.bytes.byteLength !== 4 * channels ||
    constant.shape.at(-1) !== channels
  )
    return unit
  return { ...unit, bias, folded: [add], outputs: add.outputs }
}

function plainForm(graph: Graph, shapes: Shapes, node: Node): Form | undefined {
  if (isOp(node, 'Add', 'Mul')) return node.inputs.every(input => isFloat(graph, shapes, input)) ? 'elementwise' : undefined
  if (isOp(node, 'MatMul')) return node.inputs.some(input => isConstant(graph, input)) ? undefined : 'dynamic-matmul'
  if (isOp(node, 'Concat')) return node.inputs.every(input => isFloat(graph, shapes, input)) ? 'concat' : undefined
  if (isOp(node, 'GlobalAveragePool')) return 'global-pool'
  if (isOp(node, 'AveragePool')) return isUniformPool(node, shapes) ? 'average-pool' : undefined
  if (isOp(node, 'Sigmoid', 'LeakyRelu', 'Relu')) return 'unary'
  if (isOp(node, 'HardSwish')) return 'hard-swish'
  if (isOp(node, 'Resize'))
    return stringAttribute(node, 'mode', 'nearest') === 'nearest' && isFloat(graph, shapes, node.inputs[0]!) ? 'move' : undefined
  return isOp(node, ...moving) && isFloat(graph, shapes, node.inputs[0]!) && node.outputs.filter(Boolean).length >= 1 && onlyData(node)
    ? 'move'
    : undefined
}

/** MaxPool with indices gives a second, integer output: not on codes. */
const onlyData = (node: Node) => node.opType === 'Split' || node.outputs.slice(1).every(output => output === '')

/** An average that is the same sum everywhere, so that a depthwise convolution with equal weights computes it. */
function isUniformPool(node: Node, shapes: Shapes): boolean {
  const pads = node.attributes.get('pads')
  const padded = pads?.kind === 'ints' && pads.value.some(pad => pad !== 0)
  return (
    stringAttribute(node, 'auto_pad', 'NOTSET') === 'NOTSET' &&
    intAttribute(node, 'ceil_mode', 0) === 0 &&
    node.attributes.get('dilations') === undefined &&
    (!padded || intAttribute(node, 'count_include_pad', 0) === 1) &&
    typeof shapes.get(node.inputs[0]!)?.[1] === 'number'
  )
}

/** Relu and Clip behind the only reader of an output fold into its quantizer: saturation does what they do, if it is not given and reaches further. */
function withActivation(graph: Graph, unit: Unit, { activations }: GivenQuantizers): Unit {
  const output = unit.outputs[0]!
  const next = graph.soleConsumer(output)
  if (next === undefined || unit.outputs.length !== 1) return unit
  const clip = clipOf(graph, next)
  if (clip === undefined || next.inputs[0] !== output) return unit
  const given = activations.get(next.outputs[0]!) ?? activations.get(output)
  if (given !== undefined && givenBehind(given, clip) === undefined) return unit
  return { ...unit, folded: [...unit.folded, next], outputs: next.outputs, clip }
}

function clipOf(graph: Graph, node: Node): Range | undefined {
  if (isOp(node, 'Relu')) return { low: 0, high: Number.POSITIVE_INFINITY }
  if (!isOp(node, 'Clip')) return undefined
  const limit = (input: string | undefined, name: string, otherwise: number) =>
    input === undefined || input === '' ? floatAttribute(node, name, otherwise) : scalarOf(graph, input)
  const low = limit(node.inputs[1], 'min', Number.NEGATIVE_INFINITY)
  const high = limit(node.inputs[2], 'max', Number.POSITIVE_INFINITY)
  return low === undefined || high === undefined || low > 0 || high <= 0 ? undefined : { low, high }
}

/** Mul and Add of one number behind HardSwish: learnt scale and shift, which relabel its codes. */
function withScaleShift(graph: Graph, unit: Unit): Unit {
  let { folded, outputs } = unit
  let scaleShift: ScaleShift = { multiply: 1, add: 0 }
  for (;;) {
    const next = graph.soleConsumer(outputs[0]!)
    const step = next === undefined ? undefined : scaleShiftOf(graph, next, outputs[0]!)
    if (next === undefined || step === undefined || step.multiply * scaleShift.multiply <= 0) break
    scaleShift = { multiply: scaleShift.multiply * step.multiply, add: scaleShift.add * step.multiply + step.add }
    folded = [...folded, next]
    outputs = next.outputs
  }
  return folded.length === 0 ? unit : { ...unit, folded, outputs, scaleShift }
}

/** What `node` does to `value` when its other operand is one number. */
export function scaleShiftOf(graph: Graph, node: Node, value: string): ScaleShift | undefined {
  if (!isOp(node, 'Mul', 'Add', 'Sub', 'Div') || node.inputs.filter(input => input === value).length !== 1) return undefined
  const first = node.inputs[0] === value
  const number = scalarOf(graph, node.inputs[first ? 1 : 0]!)
  if (number === undefined) return undefined
  if (node.opType === 'Mul') return { multiply: number, add: 0 }
  if (node.opType === 'Add') return { multiply: 1, add: number }
  if (node.opType === 'Sub') return first ? { multiply: 1, add: -number } : { multiply: -1, add: number }
  return first && number !== 0 ? { multiply: 1 / number, add: 0 } : undefined
}

/** The only value of a float constant that does not raise the rank of what it is combined with; undefined for anything else. */
export function scalarOf(graph: Graph, value: string): number | undefined {
  const constant = graph.constant(value)
  if (constant?.dtype !== 'float32' || constant.bytes.byteLength !== 4 || constant.shape.length > 1) return undefined
  return Number(constantData(constant)[0])
}

export const isConstant = (graph: Graph, value: string): boolean => graph.constant(value) !== undefined

function isFloat(graph: Graph, shapes: Shapes, value: string): boolean {
  const constant = graph.constant(value)
  return constant === undefined ? shapes.has(value) : constant.dtype === 'float32'
}
