import type { Reducer } from '../ranges/range-estimator.js'
import type { ChannelWanted, StatisticsWanted } from './statistics.js'

/**
 * One run over the samples for several targets (quantization.md 12.2): everything that any of them wants. A value is only taken for non-negative where all that
 * look at its range do, and the share of the quantiles is that of the first.
 * @param wanted of one model; at least one
 */
export function unionWanted(wanted: readonly [StatisticsWanted, ...StatisticsWanted[]]): StatisticsWanted {
  const [first] = wanted
  const ranges = [...new Set(wanted.flatMap(each => each.ranges))]
  const isNonNegative = (value: string) => wanted.every(each => each.nonNegative.has(value) || !each.ranges.includes(value))
  return {
    ...first,
    ranges,
    nonNegative: new Set(ranges.filter(isNonNegative)),
    reducers: [...new Set<Reducer>(wanted.flatMap(each => each.reducers))],
    means: distinct(wanted.flatMap(each => each.means)),
    channels: distinct(wanted.flatMap(each => each.channels ?? [])),
  }
}

function distinct(places: readonly ChannelWanted[]): readonly ChannelWanted[] {
  return [...new Map(places.map(place => [`${place.axis} ${place.value}`, place])).values()]
}
