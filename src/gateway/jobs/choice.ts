import { fasterRatio } from '../../quantization/accuracy/judge-speed.js'
import { lossOf } from '../../quantization/report/choice-sentence.js'
import type { ChoiceEntry, Judgement } from '../../quantization/report/report.js'
import type { Models, VersionRecord } from '../models/model.js'
import { type CandidateForm, formIdentity, formPrecision } from './candidate-form.js'
import type { FailedCandidate } from './make-candidates.js'

/** A form that became a version, judged and timed. */
export interface MadeCandidate {
  readonly form: CandidateForm
  readonly version: VersionRecord
  readonly judgement: Judgement
}

/** What the choice looks at. */
export interface Contender {
  readonly judgement: Judgement
  /** Resident memory that it takes when it is open; undefined where nobody has seen it. */
  readonly memoryMiB: number | undefined
}

/**
 * Of those that keep accuracy and are faster than float, the one that takes the smallest share of float's time; undefined when there is none. Those that lie
 * within 3 % of it, with intervals that meet, are as fast as far as was measured: of them the one that loses least, then the one that takes the least memory.
 */
export function fastestAccepted<T extends Contender>(candidates: readonly T[]): T | undefined {
  const accepted = candidates.filter(({ judgement }) => judgement.verdict === 'accepted').sort((a, b) => ratioOf(a) - ratioOf(b))
  const [fastest] = accepted
  if (fastest === undefined) return undefined
  const tied = accepted.filter(one => isTie(fastest.judgement.timing, one.judgement.timing))
  return (
    tied.sort((a, b) => lossOf(a.judgement) - lossOf(b.judgement) || memoryOf(a) - memoryOf(b) || ratioOf(a) - ratioOf(b))[0] ?? fastest
  )
}

const ratioOf = ({ judgement }: Contender): number => judgement.timing?.ratio ?? Number.POSITIVE_INFINITY
const memoryOf = ({ memoryMiB }: Contender): number => memoryMiB ?? Number.POSITIVE_INFINITY

/** The same border as between int8 and float: below it nothing counts as faster (DECISIONS, Judge). */
function isTie(fastest: Judgement['timing'], other: Judgement['timing']): boolean {
  if (fastest === undefined || other === undefined) return false
  return fastest.ratio > fasterRatio * other.ratio && other.low <= fastest.high
}

export interface ChoiceTable {
  readonly models: Models
  readonly model: string
  readonly made: readonly MadeCandidate[]
  readonly failed: readonly FailedCandidate[]
  readonly chosen: MadeCandidate | undefined
}

/** All of them side by side, float on the reference engine first. */
export function choiceTable({ models, model, made, failed, chosen }: ChoiceTable): readonly ChoiceEntry[] {
  const { versions, active } = models.get(model)
  const float = versions.find(({ version }) => version === '1')!
  const rows = made.map(({ version, judgement }) => choiceEntry(models, model, { ...version, judgement }))
  const reference: ChoiceEntry = {
    ...choiceEntry(models, model, float),
    ...referenceFigures(made),
    verdict: 'reference',
    why: 'the float model of the bundle',
    chosen: chosen === undefined && active === '1',
  }
  return [
    reference,
    ...rows.map(row => ({ ...row, chosen: row.version === chosen?.version.version })),
    ...failed.map(({ form, why }): ChoiceEntry => ({ ...empty, ...formIdentity(form), verdict: 'failed', why })),
  ]
}

/** One version as a row. */
export function choiceEntry(models: Models, model: string, record: VersionRecord): ChoiceEntry {
  const { version, device, engine, kind, precision, scheme, judgement, artifact } = record
  const opened = models.opened(model, version)
  const bundled = models.get(model).versions.find(candidate => candidate.version === '1')?.artifact
  return {
    ...empty,
    version,
    device,
    engine,
    precision: formPrecision({ kind, ...(precision === undefined ? {} : { precision }) }),
    ...(kind === 'float' && artifact !== bundled ? { prepared: true } : {}),
    scheme: scheme ?? null,
    ...(judgement === undefined ? {} : judged(judgement)),
    load_ms: opened?.ms ?? null,
    memory_mib: opened?.memoryMiB ?? null,
  }
}

const empty = {
  version: null,
  scheme: null,
  metric: null,
  value: null,
  drop: null,
  ms: null,
  ratio: null,
  load_ms: null,
  memory_mib: null,
  verdict: 'unjudged',
  why: '',
  chosen: false,
} as const

const judged = ({ metric, int8, drop, timing, verdict, sentence }: Judgement) => ({
  metric,
  value: int8,
  drop,
  ms: timing === undefined ? null : timing.int8_us / 1000,
  ratio: timing?.ratio ?? null,
  ...(timing === undefined ? {} : { low: timing.low, high: timing.high }),
  verdict,
  why: sentence,
})

/** What float on the reference engine came to, beside the others: the median of the medians of its times. */
export function referenceFigures(
  made: readonly Pick<MadeCandidate, 'judgement'>[],
): Pick<ChoiceEntry, 'metric' | 'value' | 'drop' | 'ms' | 'ratio'> {
  const first = made[0]?.judgement
  const times = made.flatMap(({ judgement }) => (judgement.timing === undefined ? [] : [judgement.timing.float_us])).sort((a, b) => a - b)
  const us = times[times.length >> 1]
  return {
    metric: first?.metric ?? null,
    value: first?.float ?? null,
    drop: first === undefined ? null : 0,
    ms: us === undefined ? null : us / 1000,
    ratio: 1,
  }
}
