import type { ChoiceEntry } from './report.js'

/** As sentences name a form: int8 on onnxruntime, prepared float32 on onnxruntime. */
export const rowName = ({ precision, engine, prepared }: Pick<ChoiceEntry, 'precision' | 'engine' | 'prepared'>): string =>
  `${prepared === true ? 'prepared ' : ''}${precision} on ${engine}`

/** Which form was chosen and why none of the others, in one sentence; undefined where there was nothing to choose from. */
export function choiceSentence(rows: readonly ChoiceEntry[]): string | undefined {
  const others = rows.filter(({ chosen, verdict }) => !chosen && verdict !== 'reference')
  if (others.length === 0) return undefined
  const chosen = rows.find(row => row.chosen && row.verdict !== 'reference')
  if (chosen === undefined) return `none of these is allowed to answer for float: ${others.map(whyNot).join('; ')}`
  const faster = others.filter(row => row.verdict === 'accepted' && ratioOf(row) < ratioOf(chosen))
  const name = `${rowName(chosen)} at ${ratioOf(chosen).toFixed(2)}`
  if (faster.length === 0) return `${name} is the fastest allowed, before ${others.map(whyNot).join('; ')}`
  const rest = others.filter(row => !faster.includes(row))
  const tied = `${name} is as fast as ${faster.map(row => `${rowName(row)} (${ratioOf(row).toFixed(2)})`).join(' and ')} as far as was measured`
  const better = `and ${advantageOf(chosen, faster)}`
  return [`${tied}, ${better}`, ...(rest.length === 0 ? [] : [`before ${rest.map(whyNot).join('; ')}`])].join(', ')
}

function advantageOf(chosen: ChoiceEntry, faster: readonly ChoiceEntry[]): string {
  if (faster.every(row => lossOf(chosen) < lossOf(row))) return 'loses less'
  const lighter = faster.every(row => (chosen.memory_mib ?? 0) < (row.memory_mib ?? 0))
  return lighter ? 'takes less memory' : 'no worse otherwise'
}

/** What an accepted form loses: one that scores higher than float was lucky. */
export const lossOf = ({ drop }: Pick<ChoiceEntry, 'drop'>): number => Math.max(0, drop ?? 0)

function whyNot(row: ChoiceEntry): string {
  if (row.verdict === 'failed') return `${rowName(row)} not made`
  const share = row.ratio === null ? 'not timed' : `${row.ratio.toFixed(2)} of the time of float`
  return `${rowName(row)} ${share}${row.verdict === 'accepted' ? '' : `, ${row.verdict}`}`
}

const ratioOf = ({ ratio }: Pick<ChoiceEntry, 'ratio'>): number => ratio ?? Number.POSITIVE_INFINITY
