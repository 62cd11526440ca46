import type { ChoiceEntry, Judgement } from '../../quantization/report/report.js'
import type { Models, VersionRecord } from '../models/model.js'
import { type CandidateForm, formName, formPrecision } from './candidate-form.js'

/** A form that became a version, judged and timed. */
export interface MadeCandidate {
  readonly form: CandidateForm
  readonly version: VersionRecord
  readonly judgement: Judgement
}

/** A form that did not, and why. */
export interface FailedCandidate {
  readonly form: CandidateForm
  readonly why: string
}

/** Of those that keep accuracy and are faster than float, the one that takes the smallest share of float's time; undefined when there is none. */
export function fastestAccepted<T extends Pick<MadeCandidate, 'judgement'>>(candidates: readonly T[]): T | undefined {
  const accepted = candidates.filter(({ judgement }) => judgement.verdict === 'accepted')
  return [...accepted].sort((a, b) => ratioOf(a) - ratioOf(b))[0]
}

const ratioOf = ({ judgement }: Pick<MadeCandidate, 'judgement'>): number => judgement.timing?.ratio ?? Number.POSITIVE_INFINITY

/** Why this one, in one sentence; undefined where there was nothing to choose from. */
export function choiceSentence(chosen: MadeCandidate, candidates: readonly MadeCandidate[]): string | undefined {
  const others = candidates.filter(candidate => candidate !== chosen)
  if (others.length === 0) return undefined
  const times = others.map(({ form, judgement }) => {
    const share = judgement.timing === undefined ? 'not timed' : `${judgement.timing.ratio.toFixed(2)} of the time of float`
    return `${formName(form)} ${share}${judgement.verdict === 'refused' ? ', refused' : ''}`
  })
  return `${formName(chosen.form)} at ${ratioOf(chosen).toFixed(2)} is the fastest allowed, before ${times.join('; ')}`
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
    ...failed.map(({ form, why }): ChoiceEntry => ({ ...empty, ...identity(form), verdict: 'failed', why })),
  ]
}

/** One version as a row. */
export function choiceEntry(models: Models, model: string, record: VersionRecord): ChoiceEntry {
  const { version, device, engine, kind, precision, scheme, judgement } = record
  const opened = models.opened(model, version)
  return {
    ...empty,
    version,
    device,
    engine,
    precision: formPrecision({ kind, ...(precision === undefined ? {} : { precision }) }),
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
  verdict,
  why: sentence,
})

function identity(form: CandidateForm): Pick<ChoiceEntry, 'device' | 'engine' | 'precision'> {
  const { device, engine } = form.serving
  return { device: device.id, engine: engine.name, precision: formPrecision(form) }
}

/** What float on the reference engine came to, beside the others: the median of the medians of its times. */
function referenceFigures(made: readonly MadeCandidate[]): Pick<ChoiceEntry, 'metric' | 'value' | 'drop' | 'ms' | 'ratio'> {
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
