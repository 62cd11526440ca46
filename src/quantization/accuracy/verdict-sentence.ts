import type { Judgement, MetricFigures } from '../report/report.js'
import { failing, keepsAccuracy } from './keeps-accuracy.js'
import { decibels, signalLimits } from './signal.js'

export interface SentenceOptions {
  readonly fewestItems: number
  /** What the judged model is called. */
  readonly subject?: string
}

/** One sentence: why int8, or what `subject` names, is kept or not, naming the metrics that fail. */
export function verdictSentence(judgement: Omit<Judgement, 'sentence'>, { fewestItems, subject = 'int8' }: SentenceOptions): string {
  const { verdict, items, drop, metric, others = [] } = judgement
  if (items === 0) return `nothing was held out to judge ${subject} on: at least ${fewestItems} items are needed`
  const first = drop === null ? ofSignal(judgement) : sentenceOf(judgement, subject)
  if (items < fewestItems) return `only ${items} of ${fewestItems} items were held out, too few to judge ${subject} on: ${first}`
  if (!keepsAccuracy(judgement)) {
    const firstFails = !keepsAccuracy({ ...judgement, others: [] })
    return `${subject} loses too much accuracy: ${[...(firstFails ? [first] : []), ...failing(others).map(other => sentenceOf(other, subject))].join('; ')}`
  }
  if (verdict !== 'unjudged')
    return `${subject} keeps the accuracy: ${[first, ...others.map(other => sentenceOf(other, subject))].join('; ')}`
  const missing = [
    ...(drop === null && metric !== 'signal' ? [metric] : []),
    ...others.filter(other => other.drop === null).map(other => other.metric),
  ]
  return `the held-out items and their labels do not define ${missing.map(name => `'${name}'`).join(' and ')}: ${first}`
}

const ofSignal = ({ snr_db, cosine }: Pick<Judgement, 'snr_db' | 'cosine'>) =>
  `${(snr_db ?? 0).toFixed(1)} dB and cosine ${(cosine ?? 0).toFixed(4)} against float (wanted ${signalLimits.snrDb} dB and ${signalLimits.cosine})`

/** What one metric came to. */
function sentenceOf({ metric, by, float, int8, drop, max_drop, kind, drop_kind = 'absolute' }: MetricFigures, subject: string): string {
  if (float === null || int8 === null || drop === null) return `${metric} not measured`
  if (metric === 'signal') return `noise ${percent(int8)} of the signal (${decibels(1, int8).toFixed(1)} dB), ${percent(max_drop)} allowed`
  if (kind === 'error')
    return `${metric} ${float.toFixed(4)} in float, ${int8.toFixed(4)} in ${subject}: ${percent(drop)} more, ${percent(max_drop)} allowed`
  if (by === 'float' && drop_kind === 'absolute' && kind === 'share' && float === 1) {
    const like = ['agreement', 'text'].includes(metric) ? `${subject} answers as float does in` : `${metric} against float`
    const of = ['agreement', 'text'].includes(metric) ? ' of the items' : ''
    return `${like} ${percent(int8)}${of}, ${percent(1 - max_drop)} wanted`
  }
  const verb = kind === 'rate' ? (drop < 0 ? 'less' : 'more') : drop < 0 ? 'gained' : 'lost'
  const amount = drop_kind === 'relative' ? percent : points
  const share = drop_kind === 'relative' ? ' of that' : ''
  return `${metric} ${percent(float)} in float, ${percent(int8)} in ${subject}: ${amount(Math.abs(drop))}${share} ${verb}, ${amount(max_drop)} allowed`
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`
const points = (share: number) => `${(100 * share).toFixed(2)} points`
