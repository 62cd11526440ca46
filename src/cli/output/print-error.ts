import { errorCode, errorMessage, QuantdError } from '../../errors.js'
import { RemoteRefusal } from '../client/remote-refusal.js'
import type { CliContext } from '../context.js'
import { advice } from './advice.js'

/** An error for people: code, message, what to do. */
export function formatError(error: unknown): string {
  const code = errorCode(error)
  const shown = error instanceof RemoteRefusal ? (code === 'ERR_CLI_REFUSED' ? error.wire : `${error.wire} (${code})`) : code
  const hint = advice(code)
  return `quantd: ${shown}: ${errorMessage(error)}\n${hint === undefined ? '' : `  ${hint}\n`}`
}

/** On stderr for people; with `json` also as the one document on stdout: `{ error, code, details }`. */
export function printError(error: unknown, context: CliContext, { json }: { readonly json: boolean }): void {
  context.err(formatError(error))
  if (!json) return
  const details = error instanceof QuantdError ? error.details : {}
  const wire = error instanceof RemoteRefusal ? { wire: error.wire } : {}
  context.out(`${JSON.stringify({ error: errorMessage(error), code: errorCode(error), ...wire, details }, undefined, 2)}\n`)
}
