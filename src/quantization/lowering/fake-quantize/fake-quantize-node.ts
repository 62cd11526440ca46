import type { Graph } from '../../../graph/graph.js'
import { int, intAttribute, makeNode, type Node } from '../../../graph/node.js'
import { constant, constantData } from '../../../graph/tensor/tensor.js'

/** Domain under which OpenVINO's ONNX front end knows FakeQuantize (quantization.md 8.1). */
export const fakeQuantizeDomain = 'org.openvinotoolkit'

/** Limits of a FakeQuantize: one each, or one per channel along `axis`; output limits are the same. */
export interface FakeQuantizeLimits {
  readonly low: Float32Array
  readonly high: Float32Array
  readonly levels: number
  /** Rank of the data and axis of the channels; absent where there is one range for all. */
  readonly channels?: { readonly rank: number; readonly axis: number }
}

export interface FakeQuantizeFields {
  readonly graph: Graph
  /** Value that is quantized; the node and its constants are named after `name`. */
  readonly data: string
  readonly name: string
  readonly limits: FakeQuantizeLimits
}

/** A FakeQuantize node whose limits are new constants of `graph`; its only output has the name of the node. */
export function fakeQuantizeNode({ graph, data, name, limits }: FakeQuantizeFields): Node {
  const { low, high, levels, channels } = limits
  const shape = channels === undefined ? [] : Array.from({ length: channels.rank }, (_, axis) => (axis === channels.axis ? low.length : 1))
  const inputLow = graph.addConstant(`${name}/low`, constant('float32', shape, low))
  const inputHigh = graph.addConstant(`${name}/high`, constant('float32', shape, high))
  const output = graph.uniqueName(`${name}/fake-quantize`)
  return makeNode({
    name: output,
    opType: 'FakeQuantize',
    domain: fakeQuantizeDomain,
    inputs: [data, inputLow, inputHigh, inputLow, inputHigh],
    outputs: [output],
    attributes: { levels: int(levels) },
  })
}

export const isFakeQuantize = (node: Node | undefined): boolean =>
  node?.opType === 'FakeQuantize' && [fakeQuantizeDomain, ''].includes(node.domain)

/** The constant limits of a FakeQuantize node with their shape; undefined where they are computed or more than one axis has several. */
export function readFakeQuantize(graph: Graph, node: Node) {
  const tensors = node.inputs.slice(1, 5).map(name => graph.constant(name))
  const [inputLow, inputHigh, outputLow, outputHigh] = tensors.map(tensor =>
    tensor?.dtype === 'float32' ? (constantData(tensor) as Float32Array) : undefined,
  )
  if (inputLow === undefined || inputHigh === undefined || outputLow === undefined || outputHigh === undefined) return undefined
  const shape = tensors.map(tensor => tensor!.shape).reduce((a, b) => (b.length > a.length ? b : a))
  const wide = shape.flatMap((size, axis) => (size > 1 ? [axis] : []))
  const count = Math.max(inputLow.length, inputHigh.length, outputLow.length, outputHigh.length)
  if (wide.length > 1 || [inputLow, inputHigh, outputLow, outputHigh].some(({ length }) => length !== 1 && length !== count))
    return undefined
  return {
    inputLow,
    inputHigh,
    outputLow,
    outputHigh,
    levels: intAttribute(node, 'levels', 256),
    count,
    /** Axis of the channels counted from the last one (-1), since limits align to the right; undefined = one range. */
    axisFromEnd: wide.length === 0 ? undefined : wide[0]! - shape.length,
  }
}
