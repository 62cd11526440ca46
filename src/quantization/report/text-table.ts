export interface Column<T> {
  readonly title: string
  readonly value: (row: T) => string | number | undefined
  readonly align?: 'left' | 'right'
}

export interface TableOptions {
  /** Columns of the terminal: the last column is cut to fit. */
  readonly width?: number | undefined
}

/** Rows as aligned text, titles above; the last column is not padded. No rows give ''. */
export function formatTable<T>(rows: readonly T[], columns: readonly Column<T>[], { width }: TableOptions = {}): string {
  if (rows.length === 0) return ''
  const cells = [columns.map(({ title }) => title), ...rows.map(row => columns.map(({ value }) => String(value(row) ?? '-')))]
  const widths = columns.map((_, index) => Math.max(...cells.map(line => line[index]!.length)))
  const lines = cells.map(line =>
    line
      .map((cell, index) => {
        if (columns[index]!.align === 'right') return cell.padStart(widths[index]!)
        return index === columns.length - 1 ? cell : cell.padEnd(widths[index]!)
      })
      .join('  ')
      .trimEnd(),
  )
  const cut = (line: string): string => (width !== undefined && line.length > width ? `${line.slice(0, width - 1)}…` : line)
  return `${lines.map(cut).join('\n')}\n`
}
