import { channelAlignment } from './channel-alignment.js'
import { crossLayerEqualization } from './cross-layer-equalization.js'
import type { FloatAlgorithm } from './float-algorithm.js'
import { smoothQuant } from './smooth-quant.js'

/** Algorithms that rebalance a float model, in the order in which they are tried. */
export const floatAlgorithms: readonly FloatAlgorithm[] = [crossLayerEqualization, channelAlignment, smoothQuant]
