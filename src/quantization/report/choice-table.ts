import type { ChoiceEntry } from './report.js'
import { formatTable } from './text-table.js'

const fixed = (value: number | null, digits: number): string | undefined => (value === null ? undefined : value.toFixed(digits))

/** What every form of a model reached, one line each; `*` is the one that serves. Times in milliseconds, memory in MiB. */
export function formatChoice(rows: readonly ChoiceEntry[]): string {
  return formatTable(rows, [
    { title: '', value: ({ chosen }) => (chosen ? '*' : ' ') },
    { title: 'version', value: ({ version }) => version ?? undefined },
    { title: 'device', value: ({ device }) => device },
    { title: 'engine', value: ({ engine }) => engine },
    { title: 'precision', value: ({ precision, prepared }) => (prepared === true ? `${precision}, prepared` : precision) },
    { title: 'scheme', value: ({ scheme }) => scheme ?? undefined },
    { title: 'metric', value: ({ metric }) => metric ?? undefined },
    { title: 'value', value: ({ value }) => fixed(value, 4), align: 'right' },
    { title: 'drop', value: ({ drop }) => fixed(drop, 4), align: 'right' },
    { title: 'ms', value: ({ ms }) => fixed(ms, 3), align: 'right' },
    { title: 'ratio', value: ({ ratio }) => fixed(ratio, 2), align: 'right' },
    { title: 'interval', value: intervalText },
    { title: 'load ms', value: ({ load_ms }) => fixed(load_ms, 0), align: 'right' },
    { title: 'MiB', value: ({ memory_mib }) => fixed(memory_mib, 0), align: 'right' },
    { title: 'verdict', value: ({ verdict }) => verdict },
    { title: 'why', value: ({ why }) => (why === '' ? undefined : why) },
  ])
}

const intervalText = ({ low, high }: ChoiceEntry): string | undefined =>
  low === undefined || high === undefined ? undefined : `${low.toFixed(2)}-${high.toFixed(2)}`
