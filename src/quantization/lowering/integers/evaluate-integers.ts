import { invariant, QuantdError } from '../../../errors.js'
import { centredCodes } from '../../../graph/fake-quantize/grid-codes.js'
import { isFakeQuantize } from '../../../graph/fake-quantize/read-fake-quantize.js'
import type { Graph, Model } from '../../../graph/graph.js'
import { isOp, type Node } from '../../../graph/node.js'
import { roundHalfEven } from '../../../graph/tensor/round-half-even.js'
import { constantData, type Tensor } from '../../../graph/tensor/tensor.js'
import { clamp } from '../../ranges/affine.js'
import { readOwnQuantizer } from '../fake-quantize/fake-quantize-node.js'
import { add, convolve, flatten, globalMean, type IntegerWeights, multiply, rectify } from './integer-ops.js'
import { type Codes, exponentOf, type IntegerTensor, requantize } from './integer-tensor.js'

/**
 * The reference of targets whose steps are powers of two: a model with FakeQuantize (`insertFakeQuantize`, scales power-of-two) in integers alone. Products and
 * sums are exact, a requantization is a shift that rounds half to even and saturates. Every engine and emulation of such a model must equal it bit for bit.
 * @throws ERR_QUANT_INTEGER_OP for an operator that residual convolution nets do not have
 */
export function evaluateIntegers({ graph }: Model, feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const values = new Map<string, IntegerTensor>()
  const given = (name: string): IntegerTensor => {
    const value = values.get(name)
    invariant(value !== undefined, `value '${name}' was not computed`)
    return value
  }
  for (const node of graph.nodes) {
    const [data] = node.inputs as [string]
    if (isFakeQuantize(node) && graph.constant(data) !== undefined) continue
    values.set(node.outputs[0]!, evaluated(graph, node, { given, feed: feeds[data] }))
  }
  return Object.fromEntries(graph.outputs.map(({ name }) => [name, floats(given(name))]))
}

interface Inputs {
  readonly given: (name: string) => IntegerTensor
  /** What the caller feeds as the first input; undefined where it is computed. */
  readonly feed: Tensor | undefined
}

function evaluated(graph: Graph, node: Node, { given, feed }: Inputs): IntegerTensor {
  const [data, other] = node.inputs as [string, string]
  if (isFakeQuantize(node)) {
    const codes = codesOf(graph, node)
    return feed === undefined ? requantize(given(data), codes) : quantizeFloats(feed, codes)
  }
  if (isOp(node, 'Conv')) return convolve(node, given(data), weightsOf(graph, node))
  if (isOp(node, 'Gemm', 'MatMul')) return multiply(node, given(data), weightsOf(graph, node))
  if (isOp(node, 'Add')) return add(given(data), given(other))
  if (isOp(node, 'Relu')) return rectify(given(data))
  if (isOp(node, 'GlobalAveragePool')) return globalMean(given(data))
  if (isOp(node, 'Flatten')) return flatten(node, given(data))
  throw new QuantdError('ERR_QUANT_INTEGER_OP', `node '${node.name}': ${node.opType} has no integer reference`, {
    details: { node: node.name, opType: node.opType },
  })
}

function codesOf(graph: Graph, node: Node): Codes {
  const grid = readOwnQuantizer(graph, node)?.takes
  invariant(grid?.exact === true && grid.axis === undefined, `quantizer '${node.name}' is not one for a whole tensor`)
  return { exponent: exponentOf(grid.scales[0]!), zeroPoint: grid.zeroPoints[0]!, lowest: grid.low, highest: grid.high }
}

/** Dividing by a power of two is exact, so floats round to codes as integers do. */
function quantizeFloats({ shape, data }: Tensor, { exponent, zeroPoint, lowest, highest }: Codes): IntegerTensor {
  const integers = Float64Array.from(
    data as Float32Array,
    value => clamp(roundHalfEven(value / 2 ** exponent) + zeroPoint, lowest, highest) - zeroPoint,
  )
  return { shape, integers, exponent, divisor: 1 }
}

function weightsOf(graph: Graph, node: Node): IntegerWeights {
  const quantizer = graph.producer(node.inputs[1]!)
  const found = quantizer === undefined ? undefined : readOwnQuantizer(graph, quantizer)
  const tensor = found === undefined ? undefined : graph.constant(found.input)
  invariant(found !== undefined && tensor !== undefined, `product '${node.name}' has no quantized weights`)
  const { shape } = tensor
  const integers = Float64Array.from(centredCodes(constantData(tensor) as Float32Array, shape, found.takes))
  const bias = graph.constant(node.inputs[2] ?? '')
  return {
    shape,
    integers,
    exponents: Array.from(found.takes.scales, exponentOf),
    bias: bias === undefined ? undefined : (constantData(bias) as Float32Array),
  }
}

function floats({ shape, integers, exponent, divisor }: IntegerTensor): Tensor {
  return { dtype: 'float32', shape, data: Float32Array.from(integers, value => (value * 2 ** exponent) / divisor) }
}
