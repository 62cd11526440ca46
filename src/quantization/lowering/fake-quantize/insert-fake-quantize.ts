import { valuesOf } from '../../../graph/fake-quantize/grid-codes.js'
import type { Graph, Model } from '../../../graph/graph.js'
import { changeNode, isOp, makeNode, type Node } from '../../../graph/node.js'
import { openvinoDomain } from '../../../graph/openvino-domain.js'
import { roundHalfEven } from '../../../graph/tensor/round-half-even.js'
import { type ConstantTensor, constant } from '../../../graph/tensor/tensor.js'
import type { QuantizedWeights } from '../../algorithms/quantize-weights.js'
import type { Unit } from '../../placement/unit.js'
import { type Affine, rangeOf } from '../../ranges/affine.js'
import type { LowerOptions } from '../lower.js'
import { type FakeQuantizeLimits, fakeQuantizeNode } from './fake-quantize-node.js'

/** What `lower` writes down as well, of `placeOpenvino`; codes are the device's own affair. */
export interface InsertOptions extends Omit<LowerOptions, 'activationCodes'> {
  /** power-of-two: biases are whole multiples of what one code of the sum stands for, so that the sum is an integer. */
  readonly scales?: 'any' | 'power-of-two'
}

/**
 * The float model with FakeQuantize nodes (`org.openvinotoolkit`, quantization.md 1): behind activations where the placement has a quantizer, and between each
 * weight and its product. Weights are written as the values of their codes, so that the quantizer behind them finds the codes that were chosen, however they
 * were rounded. Every value keeps its name and stays float where no quantizer reads it.
 */
export function insertFakeQuantize(options: InsertOptions): Model {
  const { model, placement } = options
  const graph = model.graph.clone()
  const nodes: Node[] = []
  const quantized = new Map<string, string>()
  const tables = lookedUpTables(options)
  const read = (value: string): string => {
    if (tables.has(value)) return value
    const quantizer = placement.quantizers.get(value)
    if (quantizer === undefined || quantizer.at !== 'entering') return value
    const known = quantized.get(value)
    if (known !== undefined) return known
    const node = fakeQuantizeNode({ graph, data: value, name: value, limits: activationLimits(options, value) })
    nodes.push(node)
    quantized.set(value, node.outputs[0]!)
    return node.outputs[0]!
  }
  const biasAdditions = new Map([...placement.units.values()].flatMap(unit => unit.folded.map(add => [add, unit] as const)))
  for (const node of graph.nodes) {
    const unit = placement.units.get(node)
    const biased = biasAdditions.get(node)
    const table = tables.get(node.outputs[0]!)
    if (table !== undefined) {
      const quantizer = fakeQuantizeNode({ graph, data: table, name: table, limits: activationLimits(options, node.outputs[0]!) })
      nodes.push(quantizer, changeNode(node, { inputs: [quantizer.outputs[0]!, ...node.inputs.slice(1)] }))
      continue
    }
    if (biased !== undefined) nodes.push(withBias(options, graph, node, biased))
    else if (unit === undefined) nodes.push(node)
    else if (unit.form === 'linear') nodes.push(...linear(options, { graph, node, unit, data: read(unit.data[0]!) }))
    else nodes.push(changeNode(node, { inputs: node.inputs.map(input => (unit.data.includes(input) ? read(input) : input)) }))
  }
  graph.setNodes(nodes)
  removeUnreadConstants(graph)
  return { ...model, opsets: new Map([...model.opsets, [openvinoDomain, 1]]), graph }
}

/** Zero point of symmetric uint8 codes. */
const centre = 128

/**
 * Tables of which a Gather takes rows that a quantized operator reads, by the value that it gives: quantized themselves, they are stored as codes and nothing is
 * left to do for an inference. Rounding each element and taking some of them commute; whatever else reads the rows reads them rounded. Codes around 0 alone:
 * of others OpenVINO makes no integer product behind a table.
 */
function lookedUpTables({ model: { graph }, placement: { quantizers }, parameters }: InsertOptions): ReadonlyMap<string, string> {
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  const tables = new Map<string, string>()
  for (const node of graph.nodes) {
    if (!isOp(node, 'Gather')) continue
    const [table, value] = [node.inputs[0]!, node.outputs[0]!]
    const quantizer = quantizers.get(value)
    if (quantizer?.at !== 'entering' || quantizer.axis !== undefined || outputs.has(value)) continue
    if (parameters.get(value)!.quantize.zeroPoint !== centre) continue
    if (graph.constant(table)?.dtype === 'float32' && graph.consumers(table).length === 1) tables.set(value, table)
  }
  return tables
}

function activationLimits({ shapes, placement, parameters }: InsertOptions, value: string): FakeQuantizeLimits {
  const { quantize, channels } = parameters.get(value)!
  const affines: readonly Affine[] = channels ?? [quantize]
  const { axis } = placement.quantizers.get(value)!
  return {
    low: Float32Array.from(affines, affine => rangeOf(affine).low),
    high: Float32Array.from(affines, affine => rangeOf(affine).high),
    levels: 256,
    ...(channels === undefined || axis === undefined ? {} : { channels: { rank: shapes.get(value)!.length, axis } }),
  }
}

interface LinearFields {
  readonly graph: Graph
  readonly node: Node
  readonly unit: Unit
  readonly data: string
}

function* linear(options: InsertOptions, { graph, node, unit, data }: LinearFields): Generator<Node> {
  const quantizer = weightQuantizer(options, graph, unit)
  yield quantizer
  const bias = biasOf(options, unit)
  const weight = quantizer.outputs[0]!
  if (bias === undefined || unit.folded.length > 0) {
    yield changeNode(node, { inputs: [data, weight, ...node.inputs.slice(2)] })
  } else if (isOp(node, 'MatMul')) {
    const product = graph.uniqueName(`${node.name}/product`)
    yield changeNode(node, { inputs: [data, weight], outputs: [product] })
    const added = graph.addConstant(`${unit.weight}/bias`, constant('float32', [bias.length], bias))
    yield makeNode({ name: graph.uniqueName(`${node.name}/bias`), opType: 'Add', inputs: [product, added], outputs: node.outputs })
  } else {
    yield changeNode(node, { inputs: [data, weight, graph.addConstant(`${unit.weight}/bias`, constant('float32', [bias.length], bias))] })
  }
}

/** Values of weights that were written before: most candidates share them. */
const written = new WeakMap<QuantizedWeights, ConstantTensor>()

function constantOf(weights: QuantizedWeights): ConstantTensor {
  const known = written.get(weights)
  if (known !== undefined) return known
  const { codes, shape } = weights
  const tensor = constant('float32', shape, valuesOf(codes, shape, weights))
  written.set(weights, tensor)
  return tensor
}

/** The values of the codes, and a narrow range (levels 255) whose grid they lie on. */
function weightQuantizer({ weights }: InsertOptions, graph: Graph, unit: Unit): Node {
  const quantized = weights.get(unit.main)!
  const { scales, axis, shape } = quantized
  const data = graph.addConstant(`${unit.weight}/values`, constantOf(quantized))
  return fakeQuantizeNode({
    graph,
    data,
    name: unit.weight!,
    limits: {
      low: scales.map(scale => -127 * scale),
      high: scales.map(scale => 127 * scale),
      levels: 255,
      ...(axis === undefined ? {} : { channels: { rank: shape.length, axis } }),
    },
  })
}

/** The addition behind a MatMul with its corrected operand, in the shape that it had. */
function withBias(options: InsertOptions, graph: Graph, node: Node, unit: Unit): Node {
  const bias = biasOf(options, unit)
  if (bias === undefined) return node
  const { shape } = graph.constant(unit.bias!)!
  const added = graph.addConstant(`${unit.bias}/corrected`, constant('float32', shape, bias))
  return changeNode(node, { inputs: node.inputs.map(input => (input === unit.bias ? added : input)) })
}

function biasOf({ biases, weights, parameters, scales }: InsertOptions, unit: Unit): Float32Array | undefined {
  const bias = biases.get(unit.main)
  if (bias === undefined || scales !== 'power-of-two') return bias && Float32Array.from(bias)
  const { quantize } = parameters.get(unit.data[0]!)!
  const { scales: steps } = weights.get(unit.main)!
  return Float32Array.from(bias, (value, channel) => {
    const step = quantize.scale * (steps.length === 1 ? steps[0]! : steps[channel]!)
    return roundHalfEven(value / step) * step
  })
}

function removeUnreadConstants(graph: Graph): void {
  const outputs = new Set(graph.outputs.map(({ name }) => name))
  for (const name of graph.initializers.keys()) {
    if (graph.consumers(name).length === 0 && !outputs.has(name)) graph.initializers.delete(name)
  }
}
