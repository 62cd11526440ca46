import { addedNoise } from './compare-layers.js'
import { coverageOf } from './coverage.js'
import type { Placement } from './placement/placement.js'

/** Share of the multiply-adds that one layer may have to count as cheap. */
const cheapShare = 0.05
/** Share of all added noise below which a layer is not worth a change of precision. */
const leastShare = 0.01

export interface CheapLayersOptions {
  readonly placement: Placement
  /** Noise over signal per integer operator, by node name (`compareLayers`). */
  readonly noise: ReadonlyMap<string, number>
  /** Share of the multiply-adds that stays integer when all that are returned are float. */
  readonly floor: number
}

/**
 * Products that cost next to nothing in float and add noise: first the ones that add the most per multiply-add (a stem, the last dense layers, an attention whose
 * softmax is flat). Keeping the first n of them float stays at or above `floor` for every n; how many pay is for measuring to say.
 */
export function cheapNoisyLayers({ placement, noise, floor }: CheapLayersOptions): readonly string[] {
  const macs = new Map(placement.layers.map(({ node, macs }) => [node.name, macs]))
  const all = [...macs.values()].reduce((sum, value) => sum + value, 0)
  const added = addedNoise(placement, noise)
  const noiseOfAll = [...added.values()].reduce((sum, value) => sum + value, 0)
  const perMac = (name: string) => added.get(name)! / Math.max(1, macs.get(name) ?? 0)
  const ranked = [...added.keys()]
    .filter(name => (macs.get(name) ?? 0) <= cheapShare * all && added.get(name)! >= leastShare * noiseOfAll)
    .sort((a, b) => perMac(b) - perMac(a))
  const chosen = new Set<string>()
  for (const name of ranked) {
    chosen.add(name)
    const layers = placement.layers.map(layer => (chosen.has(layer.node.name) ? { ...layer, state: 'float' as const } : layer))
    if (coverageOf(layers) < floor) chosen.delete(name)
  }
  return [...chosen]
}

/** Decibels that a layer would gain in float if the noise at the output were what all layers add, in the same parts. */
export function forecastGain(placement: Placement, noise: ReadonlyMap<string, number>, layer: string): number {
  const added = addedNoise(placement, noise)
  const all = [...added.values()].reduce((sum, value) => sum + value, 0)
  const left = all - (added.get(layer) ?? 0)
  return left > 0 ? 10 * Math.log10(all / left) : Number.POSITIVE_INFINITY
}
