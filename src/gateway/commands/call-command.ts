import { QuantdError } from '../../errors.js'
import { withTimeout } from '../../time.js'
import { Refusal } from '../wire-errors.js'
import type { Call, Command, Services } from './command.js'

export interface CommandCall {
  readonly commands: readonly Command[]
  readonly services: Services
  readonly verb: string
  /** Parsed JSON, not checked yet. */
  readonly body: unknown
  readonly call: Call
}

/** Finds the verb, checks the body, calls the command within its time limit. @throws Refusal INVALID_ARGUMENT naming the field; what the command throws */
export async function callCommand({ commands, services, verb, body, call }: CommandCall): Promise<object> {
  const command = commands.find(candidate => candidate.verb === verb)
  if (command === undefined) {
    const verbs = commands.map(candidate => candidate.verb).sort()
    throw new Refusal('INVALID_ARGUMENT', 'ERR_REQUEST_VERB', `there is no command '${verb}'`, { details: { verb, verbs } })
  }
  const parsed = command.request.safeParse(body)
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
    throw new QuantdError('ERR_REQUEST_BODY', `${verb}: ${issues.join('; ')}`, { details: { verb, issues } })
  }
  return withTimeout(command.handle(parsed.data, call, services), command.timeoutMs, `command ${verb}`)
}
