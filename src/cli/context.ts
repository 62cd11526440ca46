/** 0 done; 1 anything else; 2 the command line or the configuration is wrong; 3 the input is; 4 the job ran and its result was refused (DESIGN 8). */
export type ExitCode = 0 | 1 | 2 | 3 | 4

/** What a command may touch of its process; tests hand in strings. */
export interface CliContext {
  /** stdout: results, or one JSON document. */
  readonly out: (text: string) => void
  /** stderr: progress, logs, errors. */
  readonly err: (text: string) => void
  /** stderr is a terminal: progress redraws its line. */
  readonly interactive: boolean
  /** Columns of the terminal; tables are cut to it. Undefined = no limit. */
  readonly columns: number | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborts on SIGINT and SIGTERM. */
  readonly signal: AbortSignal
  /** Set by a command whose outcome is not 0; errors set it by their code. */
  exitCode: ExitCode
}
