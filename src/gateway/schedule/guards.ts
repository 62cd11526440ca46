import type { Config } from '../../config/schema.js'

export type ScheduleEntry = Config['schedule'][number]

/** What the guards look at when an entry is due. */
export interface GuardFacts {
  /** Captured samples that are an unbiased picture of the traffic. */
  readonly samples: number
  /** Hours since the last finished job of the model; undefined = none known. */
  readonly hoursSinceJob: number | undefined
  /** Percent of all cores over the last minute. */
  readonly loadPercent: number
}

/** Why nothing starts now, in one sentence with both figures; undefined when nothing stands against it. */
export function guardReason({ guards }: Pick<ScheduleEntry, 'guards'>, facts: GuardFacts): string | undefined {
  const { min_samples, min_interval_h, max_load } = guards
  if (facts.samples < min_samples) return `${facts.samples} captured samples, min_samples is ${min_samples}`
  if (facts.hoursSinceJob !== undefined && facts.hoursSinceJob < min_interval_h) {
    return `${facts.hoursSinceJob.toFixed(2)} h since the last job, min_interval_h is ${min_interval_h}`
  }
  if (facts.loadPercent > max_load) return `${Math.round(facts.loadPercent)} % load, max_load is ${max_load}`
  return undefined
}
