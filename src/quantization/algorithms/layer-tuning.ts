import type { Node } from '../../graph/node.js'
import { layerMoments, linearLayout } from './layer-moments.js'
import type { QuantizedWeights } from './quantize-weights.js'
import { meanBias, tuneWeights } from './tune-weights.js'
import type { TunedLayers } from './tuned-layers.js'
import { floatBias, type SettledLayer, type WalkedLayer, type WalkOptions, walkLayers } from './walk-layers.js'

export interface TuneLayersOptions extends WalkOptions {
  /** Plainly rounded, by main node of a linear unit. Those not in `tunable` keep their codes. */
  readonly weights: ReadonlyMap<Node, QuantizedWeights>
  readonly weightRange: 'full' | 'half'
  /** False for weights that must not change (they came quantized); absent = all may. */
  readonly tunable?: (main: Node) => boolean
}

/** Largest covariance matrix, in inputs of a group: memory and time grow with its square. Layers beyond keep plain rounding and get their bias. */
const largestInputs = 2048
/** Positions per input below which second moments say little: such a layer keeps plain rounding. */
const leastPositions = 4

/**
 * Rounding and step sizes of the weights of every linear unit, and its bias, tuned one layer after the other against the float output of the same layer
 * (quantization.md 4.9, AdaRound and layer-wise tuning), without labels: what a layer reads comes from the tuned layers before it, so it also makes up for their
 * noise. Bounded by counts: the same samples give the same codes.
 * @throws ERR_ABORTED, ERR_ENGINE_*
 */
export async function tuneLayers(options: TuneLayersOptions): Promise<TunedLayers> {
  const tuned = { name: 'layer tuning', weights: new Map<Node, QuantizedWeights>(), biases: new Map<Node, Float64Array>() }
  await walkLayers(options, async layer => {
    const settled = await settle(options, layer)
    tuned.weights.set(layer.unit.main, settled.weights)
    tuned.biases.set(layer.unit.main, settled.bias)
    return settled
  })
  return tuned
}

async function settle(options: TuneLayersOptions, { unit, inputs, outputs }: WalkedLayer): Promise<SettledLayer> {
  const { model, weights: all, weightRange, tunable, engine, threads } = options
  const { main } = unit
  const weights = all.get(main)!
  const layout = linearLayout(main, weights.shape)
  // What the model brought along was trained with its bias: both stay.
  if (weights.given === true || layout.inputs > largestInputs || weights.shape.length < 2)
    return { weights, bias: floatBias(model, unit, layout.outputs) }
  const moments = await layerMoments({ model, main, weightShape: weights.shape, inputs, outputs, engine, threads })
  const isTunable = weights.axis !== undefined && tunable?.(main) !== false && moments.count >= leastPositions * layout.inputs
  if (!isTunable) return { weights, bias: meanBias({ weights, layout, moments }) }
  return tuneWeights({ weights, layout, moments, limit: weightRange === 'half' ? 64 : 127 })
}
