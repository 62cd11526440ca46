import type { SampleSource } from '../../samples/sample.js'
import { subset } from '../../samples/split.js'
import type { QuantizeRequest } from '../contract.js'

/** Samples that layers are tuned with, at most; and their share of all. */
const mostTuned = 64
const tunedShare = 1 / 3

/** Samples that layers may be tuned with: the last ones, which no candidate is compared on, since what is fitted to a sample says nothing on it. */
export function tuningReserve({ samples, settings }: Pick<QuantizeRequest, 'samples' | 'settings'>): SampleSource {
  const { layer_tuning, bias_correction } = settings
  const isWanted = layer_tuning === 'on' || bias_correction === 'full' || (settings.preset === 'accuracy' && layer_tuning !== 'off')
  const all = Math.min(settings.samples, samples.count)
  const count = isWanted ? Math.min(mostTuned, Math.floor(all * tunedShare)) : 0
  return subset(
    samples,
    Array.from({ length: count }, (_, index) => all - count + index),
  )
}
