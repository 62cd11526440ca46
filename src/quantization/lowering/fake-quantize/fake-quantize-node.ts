import type { FoundQuantizer } from '../../../graph/fake-quantize/found-quantizer.js'
import { readFakeQuantize } from '../../../graph/fake-quantize/read-fake-quantize.js'
import type { Graph } from '../../../graph/graph.js'
import { int, makeNode, type Node } from '../../../graph/node.js'
import { openvinoDomain } from '../../../graph/openvino-domain.js'
import { constant } from '../../../graph/tensor/tensor.js'

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

/** What the FakeQuantize of a value is called, where the graph has no other node of this name. */
export const quantizerName = (value: string): string => `${value}/fake-quantize`

/** A FakeQuantize node whose limits are new constants of `graph`; its only output has the name of the node. */
export function fakeQuantizeNode({ graph, data, name, limits }: FakeQuantizeFields): Node {
  const { low, high, levels, channels } = limits
  const shape = channels === undefined ? [] : Array.from({ length: channels.rank }, (_, axis) => (axis === channels.axis ? low.length : 1))
  const inputLow = graph.addConstant(`${name}/low`, constant('float32', shape, low))
  const inputHigh = graph.addConstant(`${name}/high`, constant('float32', shape, high))
  const output = graph.uniqueName(quantizerName(name))
  return makeNode({
    name: output,
    opType: 'FakeQuantize',
    domain: openvinoDomain,
    inputs: [data, inputLow, inputHigh, inputLow, inputHigh],
    outputs: [output],
    attributes: { levels: int(levels) },
  })
}

/** A FakeQuantize whose limits have as many axes as its data, as `fakeQuantizeNode` writes them, or none; undefined where it is no affine quantizer. */
export function readOwnQuantizer(graph: Graph, node: Node): FoundQuantizer | undefined {
  const ranks = node.inputs.slice(1).map(name => graph.constant(name)?.shape.length ?? 0)
  return readFakeQuantize(graph, node, Math.max(...ranks))
}
