import { type Logger, pino } from 'pino'

export type { Logger }

/** Logs go to stderr as JSON lines: stdout belongs to what a command prints. `QUANTD_LOG` or `setLogLevel` sets the level. */
const root = pino(
  { name: 'quantd', level: process.env.QUANTD_LOG ?? 'info', base: { pid: process.pid } },
  pino.destination({ fd: 2, sync: true }),
)

/** One logger per folder: `logger('gateway/mqtt')`. */
export function logger(area: string): Logger {
  const child = root.child({ area })
  children.add(child)
  return child
}

const children = new Set<Logger>()

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** Changes the level of every logger of this process at once. */
export function setLogLevel(level: LogLevel): void {
  root.level = level
  for (const child of children) child.level = level
}
