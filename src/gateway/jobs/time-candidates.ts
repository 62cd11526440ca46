import { fasterRatio, isFaster } from '../../quantization/accuracy/judge-speed.js'
import type { Judgement } from '../../quantization/report/report.js'
import type { Models } from '../models/model.js'
import type { ServingDevice } from '../models/serving-devices.js'
import { formName } from './candidate-form.js'
import type { MadeCandidate } from './choice.js'
import type { JobContext } from './job-kind.js'
import type { Candidate } from './make-candidates.js'
import { jobProgress } from './progress.js'
import { type PairedTimes, timedJudgement, timeVersion } from './timed-judgement.js'

export interface TimeCandidates {
  readonly candidates: readonly Candidate[]
  readonly models: Models
  readonly reference: ServingDevice
}

/** A candidate with its final judgement. */
export interface TimedCandidate extends MadeCandidate {
  readonly candidate: Candidate
  readonly times: PairedTimes | undefined
}

/**
 * Times each candidate against float in the device workers. What that leaves open is timed once more, and both rounds count together: whoever may still be the
 * fastest, and whoever may or may not be faster than float. A moment in which the host did something else then decides nothing.
 */
export async function timeCandidates(
  { candidates, models, reference }: TimeCandidates,
  context: JobContext,
): Promise<readonly TimedCandidate[]> {
  const time = async (candidate: Candidate, known?: PairedTimes): Promise<TimedCandidate> => {
    context.signal.throwIfAborted()
    const { form, version, made, request } = candidate
    const found = await timeVersion({ models, version: version.version, request }, context)
    const times = found === undefined || known === undefined ? found : pooled(known, found)
    const subject = form.kind === 'int8' && form.serving === reference ? undefined : formName(form)
    return { form, version, candidate, times, judgement: timedJudgement(made.judgement, times, subject) }
  }
  const first: TimedCandidate[] = []
  for (const [index, candidate] of candidates.entries()) {
    context.update(jobProgress('time', index / candidates.length / 2))
    first.push(await time(candidate))
  }
  const open = new Set(stillOpen(first))
  const settled: TimedCandidate[] = []
  for (const [index, timed] of first.entries()) {
    context.update(jobProgress('time', (1 + index / first.length) / 2))
    settled.push(open.has(timed) ? await time(timed.candidate, timed.times) : timed)
  }
  return settled
}

const pooled = ([float, other]: PairedTimes, [moreFloat, moreOther]: PairedTimes): PairedTimes => [
  [...float, ...moreFloat],
  [...other, ...moreOther],
]

/** Those whose interval reaches that of the fastest allowed one, or lies across the border of what counts as faster than float; not one that is alone. */
export function stillOpen<T extends Pick<TimedCandidate, 'judgement' | 'candidate'>>(timed: readonly T[]): readonly T[] {
  const timing = ({ judgement }: T): Judgement['timing'] => judgement.timing
  const keep = timed.filter(one => one.candidate.made.judgement.verdict === 'accepted' && timing(one) !== undefined)
  const accepted = keep.filter(({ judgement }) => judgement.verdict === 'accepted')
  const [fastest] = [...accepted].sort((a, b) => timing(a)!.ratio - timing(b)!.ratio)
  const contenders = fastest === undefined ? [] : accepted.filter(one => timing(one)!.low <= timing(fastest)!.high)
  const undecided = keep.filter(one => !isFaster(timing(one)!) && timing(one)!.low <= fasterRatio)
  return [...(contenders.length > 1 ? contenders : []), ...undecided]
}
