import { type Graph, type Model, readsOf } from '../../graph/graph.js'
import { isOp, type Node } from '../../graph/node.js'
import type { ActivationParameters } from '../algorithms/assign-parameters.js'
import type { QuantizedWeights } from '../algorithms/quantize-weights.js'
import type { Placement } from '../placement/placement.js'
import type { Shapes } from '../placement/shapes.js'
import type { Form, Unit } from '../placement/unit.js'
import { emitAveragePool } from './emit-average-pool.js'
import { emitElementwise } from './emit-elementwise.js'
import { emitHardSwish } from './emit-hard-swish.js'
import { emitLinear } from './emit-linear.js'
import { type Codes, Emitter } from './emitter.js'

/** Everything that `lower` writes down; nothing is decided here. */
export interface LowerOptions {
  /** The float model, opset 13 or later. */
  readonly model: Model
  readonly shapes: Shapes
  readonly placement: Placement
  /** By value. */
  readonly parameters: ReadonlyMap<string, ActivationParameters>
  /** By main node of a linear unit. */
  readonly weights: ReadonlyMap<Node, QuantizedWeights>
  /** Biases after correction, by main node; absent = no bias. */
  readonly biases: ReadonlyMap<Node, Float64Array>
  readonly activationCodes: Codes
}

/** One unit on its way into the QDQ graph: `inputs` read codes, `results` are its float results before their quantizers. */
export interface UnitCall {
  readonly emitter: Emitter
  readonly options: LowerOptions
  readonly unit: Unit
  /** What integer operators read for a value: its dequantized form. */
  readonly dequantized: (value: string) => string
  readonly results: readonly string[]
}

/**
 * The QDQ model that ONNX Runtime fuses into integer kernels (ort-fusion.md d). A value keeps its name for its dequantized form where an integer operator
 * computes it, so that float readers, subgraphs and graph outputs read on unchanged; where float data enters, it keeps its name for the float.
 */
export function lower(options: LowerOptions): Model {
  const { model, placement } = options
  const graph = model.graph.clone()
  const emitter = new Emitter(graph)
  const removed = new Set([...placement.units.values()].flatMap(unit => unit.folded))
  const entering = new Map<string, string>()
  const quantizerOf = (value: string) => placement.quantizers.get(value)!
  const codesOf = (value: string): Codes => (quantizerOf(value).signed ? 'int8' : options.activationCodes)

  const dequantized = (value: string): string => {
    if (quantizerOf(value).at === 'produced') return value
    const known = entering.get(value)
    if (known !== undefined) return known
    const { quantize, dequantize } = options.parameters.get(value)!
    const name = emitter.dequantize(emitter.quantize(value, quantize, codesOf(value)), dequantize, codesOf(value))
    entering.set(value, name)
    return name
  }

  for (const node of graph.nodes) {
    if (removed.has(node)) continue
    const unit = placement.units.get(node)
    if (unit === undefined) {
      emitter.copy(fenced(graph, emitter, placement, node))
      continue
    }
    for (const value of unit.data) dequantized(value)
    const results = unit.givesFloats === true ? unit.outputs : unit.outputs.map(output => graph.uniqueName(`${output}/float`))
    const emit = emitters[unit.form] ?? emitPlain
    emit({ emitter, options, unit, dequantized, results })
    if (unit.givesFloats === true) continue
    unit.outputs.forEach((output, index) => {
      const { quantize, dequantize } = options.parameters.get(output)!
      emitter.dequantize(emitter.quantize(results[index]!, quantize, codesOf(output)), dequantize, codesOf(output), output)
    })
  }
  graph.setNodes(emitter.nodes)
  removeUnread(graph)
  return { ...model, graph }
}

/** Forms that become something else than their operator between dequantized inputs. */
const emitters: Partial<Record<Form, (call: UnitCall) => void>> = {
  linear: emitLinear,
  elementwise: emitElementwise,
  concat: emitElementwise,
  'hard-swish': emitHardSwish,
  'average-pool': emitAveragePool,
}

/** Operators that compute on codes as they stand: their data dequantized, every other input as it was. */
function emitPlain({ emitter, unit, dequantized, results }: UnitCall): void {
  const inputs = unit.main.inputs.map(input => (unit.data.includes(input) ? dequantized(input) : input))
  let next = 0
  const outputs = unit.main.outputs.map(output => (output === '' ? '' : results[next++]!))
  emitter.rewire(unit.main, inputs, outputs)
}

/**
 * A float operator between dequantized data and a quantizer, of a kind that ONNX Runtime would turn into an integer one by itself (weights per tensor; pooling
 * and softmax many times slower): Max of one value, which it does not look through, keeps them apart (ort-fusion.md b11, d9, d10).
 */
function fenced(graph: Graph, emitter: Emitter, placement: Placement, node: Node): Node {
  if (!isOp(node, 'Conv', 'ConvTranspose', 'Gemm', 'AveragePool', 'Softmax')) return node
  const data = node.inputs[0]!
  if (placement.quantizers.get(data)?.at !== 'produced') return node
  const behind = [
    node.outputs[0]!,
    ...graph
      .consumers(node.outputs[0]!)
      .filter(next => isOp(next, 'Relu', 'Clip'))
      .map(next => next.outputs[0]!),
  ]
  if (!behind.some(value => placement.quantizers.has(value))) return node
  const kept = emitter.add({ name: `${node.name}/float`, opType: 'Max', inputs: [data] })
  return Object.freeze({ ...node, inputs: [kept, ...node.inputs.slice(1)] })
}

function removeUnread(graph: Graph): void {
  const read = new Set<string>(graph.outputs.map(output => output.name))
  const made = new Set<string>(graph.inputs.map(input => input.name))
  for (const node of graph.nodes) {
    for (const value of readsOf(node)) read.add(value)
    for (const value of node.outputs) made.add(value)
  }
  for (const name of graph.initializers.keys()) if (!read.has(name)) graph.initializers.delete(name)
  for (const name of graph.valueInfo.keys()) if (!made.has(name)) graph.valueInfo.delete(name)
}
