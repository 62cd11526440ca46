import type { Engine } from '../../engines/engine.js'
import type { Model } from '../../graph/graph.js'
import type { SampleSource } from '../../samples/sample.js'
import type { Placement } from '../placement/placement.js'
import { type ActivationMode, activationAffine } from '../ranges/affine.js'
import { estimateRange, type RangeEstimator } from '../ranges/range-estimator.js'
import { measureRangeErrors } from '../statistics/measure-range-errors.js'
import type { Statistics } from '../statistics/statistics.js'
import { clipped } from './assign-parameters.js'

export interface ChooseShrinkOptions {
  readonly model: Model
  readonly placement: Placement
  readonly statistics: Statistics
  readonly estimator: RangeEstimator
  readonly mode: ActivationMode
  readonly samples: SampleSource
  readonly sampleCount: number
  readonly engine: Engine
  readonly threads: number
  readonly signal?: AbortSignal
}

/** For every quantizer whose range is estimated, the factor of `estimator.shrink` that leaves the least squared error; the widest of equals. */
export async function chooseShrink(options: ChooseShrinkOptions): Promise<Map<string, number>> {
  const { placement, statistics, estimator, mode, ...run } = options
  const factors = estimator.shrink ?? [1]
  const values = [...placement.quantizers.values()]
    .filter(({ value, root, fixed }) => value === root && fixed === undefined)
    .map(quantizer => ({
      value: quantizer.value,
      clip: quantizer.clip,
      trials: factors.map(factor =>
        activationAffine(clipped(estimateRange(estimator, statistics.ranges.get(quantizer.value)!, factor), quantizer), mode),
      ),
    }))
  const errors = await measureRangeErrors({ ...run, values })
  return new Map(
    [...errors].map(([value, sums]) => {
      let best = 0
      for (let trial = 1; trial < sums.length; trial += 1) if (sums[trial]! < sums[best]!) best = trial
      return [value, factors[best]!]
    }),
  )
}
