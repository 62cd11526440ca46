import { redirectReads } from '../../../graph/edit.js'
import type { Graph, Model } from '../../../graph/graph.js'
import { type Attribute, int, makeNode, type Node } from '../../../graph/node.js'
import { roundHalfEven } from '../../../graph/tensor/round-half-even.js'
import { constant, constantData, elementCount, scalar } from '../../../graph/tensor/tensor.js'
import { clamp } from '../../ranges/affine.js'
import { fakeQuantizeDomain, isFakeQuantize, readFakeQuantize } from './fake-quantize-node.js'

/**
 * A model with FakeQuantize nodes in operators of ai.onnx, for engines that have no FakeQuantize: what another engine will answer is measured on this one. 256
 * levels around a zero that is a code become QuantizeLinear and DequantizeLinear, kept from what reads them by a Max of one value that ONNX Runtime does not
 * look through, so that nothing fuses and products are float32; other limits become Clip, Round and their arithmetic. Quantized constants become constants.
 * Equal to the reference (`fakeQuantize`) but for exact ties, where it may be one step off (quantization.md 1.6).
 */
export function emulateFakeQuantize(model: Model): Model {
  const graph = model.graph.clone()
  const nodes: Node[] = []
  const folded = new Map<string, string>()
  for (const node of graph.nodes) {
    const limits = isFakeQuantize(node) ? readFakeQuantize(graph, node) : undefined
    if (limits === undefined) nodes.push(node)
    else if (graph.constant(node.inputs[0]!) !== undefined) folded.set(node.outputs[0]!, foldedConstant(graph, node, limits))
    else nodes.push(...emulated(graph, node, limits))
  }
  graph.setNodes(nodes)
  redirectReads(graph, folded)
  for (const name of graph.initializers.keys())
    if (graph.consumers(name).length === 0 && !graph.isOutput(name)) graph.initializers.delete(name)
  return { ...model, opsets: new Map([...model.opsets].filter(([domain]) => domain !== fakeQuantizeDomain)), graph }
}

type Limits = NonNullable<ReturnType<typeof readFakeQuantize>>

/** One limit where there is one for all channels. */
const at = (values: Float32Array, channel: number): number => values[values.length === 1 ? 0 : channel]!

/** Values on the output grid, each computed in double precision and rounded once: steps that are powers of two stay exact. */
function foldedConstant(graph: Graph, node: Node, limits: Limits): string {
  const { inputLow, inputHigh, outputLow, outputHigh, levels, count, axisFromEnd } = limits
  const tensor = graph.constant(node.inputs[0]!)!
  const source = constantData(tensor) as Float32Array
  const inner = axisFromEnd === undefined ? source.length : elementCount(tensor.shape.slice(tensor.shape.length + axisFromEnd + 1))
  const top = levels - 1
  const values = new Float32Array(source.length)
  for (let i = 0; i < source.length; i += 1) {
    const channel = Math.floor(i / inner) % count
    const [low, high, lowest, highest] = [at(inputLow, channel), at(inputHigh, channel), at(outputLow, channel), at(outputHigh, channel)]
    const code = high === low ? (source[i]! <= low ? 0 : top) : clamp(roundHalfEven(((source[i]! - low) / (high - low)) * top), 0, top)
    values[i] = lowest + (code * (highest - lowest)) / top
  }
  return graph.addConstant(`${node.inputs[0]}/quantized`, constant('float32', tensor.shape, values))
}

function emulated(graph: Graph, node: Node, limits: Limits): readonly Node[] {
  const affine = affineOf(limits)
  return affine === undefined ? arithmetic(graph, node) : quantizeDequantize(graph, node, { ...affine, axis: limits.axisFromEnd })
}

/** Scales and zero points where codes of uint8 stand for the levels; undefined where they do not. */
function affineOf({ inputLow, inputHigh, outputLow, outputHigh, levels, count }: Limits) {
  if (levels !== 256) return undefined
  const scales = new Float32Array(count)
  const zeroPoints = new Uint8Array(count)
  for (let channel = 0; channel < count; channel += 1) {
    const [low, high] = [at(inputLow, channel), at(inputHigh, channel)]
    const scale = (high - low) / 255
    const zero = -low / scale
    const whole = roundHalfEven(zero)
    if (low !== at(outputLow, channel) || high !== at(outputHigh, channel) || !(scale > 0)) return undefined
    if (Math.abs(zero - whole) > 1e-3 || whole < 0 || whole > 255) return undefined
    scales[channel] = scale
    zeroPoints[channel] = whole
  }
  return { scales, zeroPoints }
}

interface Parameters {
  readonly scales: Float32Array
  readonly zeroPoints: Uint8Array
  readonly axis: number | undefined
}

function quantizeDequantize(graph: Graph, node: Node, { scales, zeroPoints, axis }: Parameters): readonly Node[] {
  const [data] = node.inputs as [string]
  const [output] = node.outputs as [string]
  const one = axis === undefined
  const scale = graph.addConstant(`${output}/scale`, one ? scalar('float32', scales) : constant('float32', [scales.length], scales))
  const zero = graph.addConstant(`${output}/zero`, one ? scalar('uint8', zeroPoints) : constant('uint8', [zeroPoints.length], zeroPoints))
  const attributes: Readonly<Record<string, Attribute>> = one ? {} : { axis: int(axis) }
  const [codes, values] = [graph.uniqueName(`${output}/codes`), graph.uniqueName(`${output}/values`)]
  return [
    makeNode({ name: codes, opType: 'QuantizeLinear', inputs: [data, scale, zero], outputs: [codes], attributes }),
    makeNode({ name: values, opType: 'DequantizeLinear', inputs: [codes, scale, zero], outputs: [values], attributes }),
    makeNode({ name: output, opType: 'Max', inputs: [values], outputs: [output] }),
  ]
}

/** The formula of FakeQuantize-1 in the order in which it is written; its ends are those of Clip. */
function arithmetic(graph: Graph, node: Node): readonly Node[] {
  const [data, low, high, lowest, highest] = node.inputs as [string, string, string, string, string]
  const [output] = node.outputs as [string]
  const nodes: Node[] = []
  const add = (opType: string, inputs: readonly string[], to = graph.uniqueName(`${output}/${opType}`)): string => {
    nodes.push(makeNode({ name: to, opType, inputs, outputs: [to] }))
    return to
  }
  const levels = node.attributes.get('levels')
  const top = graph.addConstant(`${output}/top`, scalar('float32', Float32Array.of((levels?.kind === 'int' ? levels.value : 256) - 1)))
  const within = add('Max', [add('Min', [data, high]), low])
  const share = add('Div', [add('Sub', [within, low]), add('Sub', [high, low])])
  const code = add('Div', [add('Round', [add('Mul', [share, top])]), top])
  add('Add', [add('Mul', [code, add('Sub', [highest, lowest])]), lowest], output)
  return nodes
}
