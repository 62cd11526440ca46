/** What one check saw. `fix` says what to do, for everything that is not a pass. */
export interface Finding {
  readonly check: string
  readonly status: 'pass' | 'warn' | 'fail' | 'skip'
  readonly found: string
  readonly fix?: string
}

export const pass = (check: string, found: string): Finding => ({ check, status: 'pass', found })
export const skip = (check: string, found: string): Finding => ({ check, status: 'skip', found })
export const warn = (check: string, found: string, fix: string): Finding => ({ check, status: 'warn', found, fix })
export const fail = (check: string, found: string, fix: string): Finding => ({ check, status: 'fail', found, fix })

/** The value in the middle of `values`; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
