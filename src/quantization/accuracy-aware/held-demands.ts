import { type ChosenMetric, chooseMetric, heldTo, type Judging, resolveMetric } from '../accuracy/choose-metric.js'
import { cosine } from '../accuracy/cosine.js'
import { signal, signalLimits } from '../accuracy/signal.js'
import type { Demands, JudgedItem } from '../accuracy/tally.js'
import type { Demand } from './demand.js'

/** A demand with the metric that measures it. */
export type HeldDemand = Demand & Required<Pick<ChosenMetric, 'metric' | 'by'>>

/**
 * Everything that int8 is held to, the task's metric first, as the judge chooses it from the first item. Where the signal alone judges, its two limits are two
 * demands. Metrics that need labels where there are none are left to the judge to say so.
 * @throws ERR_QUANT_METRIC
 */
export function heldDemands(
  { metric, max_drop, drop = 'absolute', metrics = [] }: Demands,
  judging: Judging,
  { float: output, label }: Pick<JudgedItem, 'float' | 'label'>,
): readonly HeldDemand[] {
  const first = chooseMetric({ judging, requested: metric, label, output })
  const others = metrics.flatMap(({ name, max_drop: allowed, drop: meant }) => {
    const found = resolveMetric(name, judging)
    if (found.needsLabels && label === undefined) return []
    return [demandOf(heldTo({ metric: found, label, output, judging }), allowed, meant)]
  })
  return [...(first.metric === undefined ? signalDemands() : [demandOf({ ...first, metric: first.metric }, max_drop, drop)]), ...others]
}

const demandOf = ({ metric, by }: Required<ChosenMetric>, maxDrop: number, drop: Demand['drop']): HeldDemand => ({
  name: metric.name,
  kind: metric.kind,
  maxDrop,
  drop,
  metric,
  by,
})

/** The limits of an output without a better metric, as drops from float's own 0 and 1. */
const signalDemands = (): HeldDemand[] => [
  { name: signal.name, kind: signal.kind, maxDrop: 10 ** (-signalLimits.snrDb / 10), drop: 'absolute', metric: signal, by: 'float' },
  { name: cosine.name, kind: cosine.kind, maxDrop: 1 - signalLimits.cosine, drop: 'absolute', metric: cosine, by: 'float' },
]
