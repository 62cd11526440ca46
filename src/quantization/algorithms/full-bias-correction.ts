import { isOp, type Node } from '../../graph/node.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Range } from '../ranges/affine.js'
import type { QuantizedWeights } from './quantize-weights.js'
import { floatBias, type WalkOptions, walkLayers } from './walk-layers.js'

export interface CorrectBiasesOptions extends WalkOptions {
  /** By main node of a linear unit. */
  readonly weights: ReadonlyMap<Node, QuantizedWeights>
}

/**
 * Biases that give every output channel of every linear unit the mean that it has in the float model (quantization.md 4.5): layer after layer in graph order,
 * so that each is measured behind the corrected ones before it, activations quantized as they will be served. Values that a folded activation cuts off anyway do
 * not count. The shift is exact for the samples, whatever the bias was before: zero biases and missing ones are corrected like any other (4.4).
 * @returns by main node, the float bias included
 * @throws ERR_ABORTED, ERR_ENGINE_*
 */
export async function correctBiases({ weights, ...options }: CorrectBiasesOptions): Promise<ReadonlyMap<Node, Float64Array>> {
  const biases = new Map<Node, Float64Array>()
  await walkLayers(options, async ({ unit, outputs, compute }) => {
    const settled = weights.get(unit.main)!
    const isConv = isOp(unit.main, 'Conv')
    const { shape } = outputs[0]!
    const channels = isConv ? shape[1]! : shape.at(-1)!
    const before = floatBias(options.model, unit, channels)
    // What the model brought along was trained with its bias.
    if (settled.given === true) return { weights: settled, bias: before }
    const found = await compute({ weights: settled, bias: before })
    const shift = meanErrors({ wanted: outputs, found, channels, isConv, ...(unit.clip === undefined ? {} : { within: unit.clip }) })
    const bias = before.map((value, channel) => value + shift[channel]!)
    biases.set(unit.main, bias)
    return { weights: settled, bias }
  })
  return biases
}

interface MeanErrorsOptions {
  readonly wanted: readonly Tensor[]
  readonly found: readonly Tensor[]
  readonly channels: number
  /** Channels are axis 1 of a convolution's output, the last axis of a matrix product's. */
  readonly isConv: boolean
  /** What a folded activation lets through; values that float has outside of it do not count. */
  readonly within?: Range
}

/** Mean of wanted - found per channel, over all samples and positions that count; 0 where none does. */
function meanErrors({ wanted, found, channels, isConv, within }: MeanErrorsOptions): Float64Array {
  const { low, high } = within ?? { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
  const sums = new Float64Array(channels)
  const counts = new Float64Array(channels)
  wanted.forEach((tensor, run) => {
    const data = tensor.data as Float32Array
    const other = found[run]!.data as Float32Array
    const inner = isConv ? data.length / (tensor.shape[0]! * channels) : 1
    for (let start = 0, row = 0; start < data.length; start += inner, row += 1) {
      let sum = 0
      let count = 0
      for (let at = start; at < start + inner; at += 1) {
        const value = data[at]!
        if (value <= low || value >= high) continue
        sum += value - other[at]!
        count += 1
      }
      sums[row % channels]! += sum
      counts[row % channels]! += count
    }
  })
  return sums.map((sum, channel) => (counts[channel] === 0 ? 0 : sum / counts[channel]!))
}
