import { invariant } from '../../errors.js'
import type { Graph } from '../../graph/graph.js'
import { intAttribute, isOp, type Node } from '../../graph/node.js'
import { roundHalfEven } from '../../graph/tensor/round-half-even.js'
import { constantData, elementCount } from '../../graph/tensor/tensor.js'
import type { Unit } from '../placement/unit.js'
import { clamp, powerOfTwoScale, weightScales } from '../ranges/affine.js'

/** Weights of one linear unit as int8 codes: value = scale[channel] * code. */
export interface QuantizedWeights {
  readonly codes: Int8Array
  readonly shape: readonly number[]
  /** One per output channel along `axis`, or a single one for the whole tensor. */
  readonly scales: Float32Array
  readonly axis: number | undefined
  /** The float weights, in the same layout. */
  readonly values: Float32Array
  /** The model brought them along: they are exactly what was trained. */
  readonly given?: true
}

/**
 * Symmetric narrow-range codes of a unit's weights, a scale per output channel: axis 0 of a convolution, 1 of a transposed one without groups, the column axis
 * of a matrix product. Stacked matrices (rank 3 and up) take one scale for all, since ONNX Runtime has no per-channel kernel for them. `power-of-two`: the next
 * step up that a shift computes.
 */
export function quantizeWeights(
  graph: Graph,
  { main, weight }: Unit,
  range: 'full' | 'half',
  scaleSet: 'any' | 'power-of-two' = 'any',
): QuantizedWeights {
  invariant(weight !== undefined, `unit '${main.name}' has no weights`)
  const tensor = graph.constant(weight)!
  const values = constantData(tensor) as Float32Array
  const { shape } = tensor
  const axis = weightAxis(main, shape)
  const inner = axis === undefined ? values.length : elementCount(shape.slice(axis + 1))
  const channels = axis === undefined ? 1 : shape[axis]!
  const magnitudes = new Float64Array(channels)
  const channelOf = (index: number) => Math.floor(index / inner) % channels
  for (let i = 0; i < values.length; i += 1) {
    const channel = channelOf(i)
    const magnitude = Math.abs(values[i]!)
    if (magnitude > magnitudes[channel]! || Number.isNaN(magnitude)) magnitudes[channel] = magnitude
  }
  const exact = weightScales(magnitudes, range)
  const scales = scaleSet === 'any' ? exact : exact.map(powerOfTwoScale)
  const limit = range === 'half' ? 64 : 127
  const codes = new Int8Array(values.length)
  for (let i = 0; i < values.length; i += 1) codes[i] = clamp(roundHalfEven(values[i]! / scales[channelOf(i)]!), -limit, limit)
  return { codes, shape, scales, axis, values }
}

/** Axis of the output channels in the layout of a constant weight; undefined = one scale for the whole tensor. */
function weightAxis(main: Node, shape: readonly number[]): number | undefined {
  if (isOp(main, 'Conv') || (isOp(main, 'Gemm') && intAttribute(main, 'transB', 0) !== 0)) return 0
  if (isOp(main, 'ConvTranspose')) return intAttribute(main, 'group', 1) === 1 ? 1 : undefined
  return shape.length === 2 ? 1 : undefined
}
