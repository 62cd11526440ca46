import { QuantdError } from '../../errors.js'
import type { Graph } from '../graph.js'
import { intAttribute, type Node, stringAttribute } from '../node.js'
import { openvinoDomain } from '../openvino-domain.js'
import { constantData } from '../tensor/tensor.js'
import type { FoundQuantizer } from './found-quantizer.js'
import { gridOfLimits } from './grid.js'

/** OpenVINO's operator, in its own domain or, as NNCF up to 1.5 wrote it, in none (quantization.md 8.1). */
export const isFakeQuantize = ({ opType, domain }: Node): boolean =>
  opType === 'FakeQuantize' && (domain === openvinoDomain || domain === '')

/** Levels of a FakeQuantize. @throws ERR_GRAPH_FAKE_QUANTIZE */
export function levelsOf(node: Node): number {
  const levels = intAttribute(node, 'levels', 0)
  if (Number.isSafeInteger(levels) && levels >= 2) return levels
  throw new QuantdError('ERR_GRAPH_FAKE_QUANTIZE', `FakeQuantize '${node.name}': levels is ${levels}, expected at least 2`, {
    details: { node: node.name, levels },
  })
}

/**
 * A FakeQuantize as an affine quantizer; undefined where it is something else: limits that are computed or vary along several axes, a step function (equal
 * limits), limits out of order.
 * @param rank of the data, where it is known: tells the axis of limits with fewer axes
 * @throws ERR_GRAPH_FAKE_QUANTIZE
 */
export function readFakeQuantize(graph: Graph, node: Node, rank: number | undefined): FoundQuantizer | undefined {
  const levels = levelsOf(node)
  const [input = '', ...names] = node.inputs
  if (input === '' || names.length !== 4 || names.includes('')) {
    throw new QuantdError(
      'ERR_GRAPH_FAKE_QUANTIZE',
      `FakeQuantize '${node.name}': ${node.inputs.length} inputs, expected data and 4 limits`,
      {
        details: { node: node.name, inputs: node.inputs },
      },
    )
  }
  const broadcast = stringAttribute(node, 'auto_broadcast', 'numpy')
  if (broadcast !== 'numpy' && broadcast !== 'none') {
    throw new QuantdError(
      'ERR_GRAPH_FAKE_QUANTIZE',
      `FakeQuantize '${node.name}': auto_broadcast is '${broadcast}', expected numpy or none`,
      {
        details: { node: node.name, auto_broadcast: broadcast },
      },
    )
  }
  const tensors = names.map(name => graph.constant(name))
  const axes = new Set<number>()
  let channels = 1
  for (const tensor of tensors) {
    if (tensor?.dtype !== 'float32') return undefined
    const wide = tensor.shape.flatMap((size, at) => (size === 1 ? [] : [at - tensor.shape.length]))
    if (wide.length > 1) return undefined
    for (const axis of wide) {
      axes.add(axis)
      channels = Math.max(channels, tensor.shape.at(axis)!)
    }
  }
  const [fromEnd] = axes
  if (axes.size > 1 || (fromEnd !== undefined && rank === undefined)) return undefined
  const axis = fromEnd === undefined ? undefined : rank! + fromEnd
  const [inputLow, inputHigh, outputLow, outputHigh] = tensors.map(tensor => {
    const values = constantData(tensor!) as Float32Array
    return values.length === channels ? values : new Float32Array(channels).fill(values[0]!)
  })
  const takes = gridOfLimits({ lows: inputLow!, highs: inputHigh!, levels, axis })
  const gives = gridOfLimits({ lows: outputLow!, highs: outputHigh!, levels, axis })
  return takes === undefined || gives === undefined ? undefined : { node, input, output: node.outputs[0]!, takes, gives }
}
