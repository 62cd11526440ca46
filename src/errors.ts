/** Every code that leaves the process by MQTT, log or exit status has this form; areas declare theirs beside their code (`defineErrors`). */
export type ErrorCode = `ERR_${string}`

export interface ErrorOptions {
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

/**
 * The one error of quantd: a code that callers branch on, a message that tells what, where, expected, found, and frozen details.
 * Anything else that is thrown is a defect or a foreign error on its way to a border that wraps it with `cause`.
 */
export class QuantdError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, { details = {}, cause }: ErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'QuantdError'
    this.code = code
    this.details = Object.freeze({ ...details })
  }
}

/** One area's table: code -> what it means and what to do, one sentence each. Listed in `error-catalog.ts`. */
export function defineErrors<const T extends Readonly<Record<ErrorCode, string>>>(table: T): T {
  return Object.freeze(table)
}

export const generalErrors = defineErrors({
  ERR_INTERNAL: 'A promise of our own code was broken: report it with the log.',
  ERR_ABORTED: 'The operation was cancelled by its caller.',
  ERR_TIMEOUT: 'The operation did not end within its limit, which the message names.',
})

/** Throws ERR_INTERNAL: for what cannot happen unless this code is wrong. Never caught to go on. */
export function invariant(condition: unknown, message: string, details?: Readonly<Record<string, unknown>>): asserts condition {
  if (!condition) throw new QuantdError('ERR_INTERNAL', message, details === undefined ? {} : { details })
}

export function assertNever(value: never): never {
  throw new QuantdError('ERR_INTERNAL', `unexpected value ${JSON.stringify(value)}`)
}

/** The code of a thrown value: its own when it is a QuantdError, ERR_INTERNAL otherwise. */
export function errorCode(error: unknown): ErrorCode {
  return error instanceof QuantdError ? error.code : 'ERR_INTERNAL'
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
