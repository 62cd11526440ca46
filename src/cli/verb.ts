import type { Command } from 'commander'
import type { Json } from './client/gateway-client.js'
import type { GatewayOptions } from './client/open-gateway.js'
import type { CliContext } from './context.js'
import { followJob, formatJob } from './follow-job.js'
import { print, withGateway, withGatewayOptions } from './gateway-command.js'

export interface VerbOptions extends GatewayOptions {
  readonly detach?: boolean
}

export interface Verb<O extends VerbOptions> {
  readonly verb: string
  /** Body of the command: only what was said, so that the defaults are those of the gateway. */
  readonly body: (args: readonly string[], options: O) => Json
  /** What to tell people when it is done; not called for a job. */
  readonly done: (answer: Json) => string
}

/** A body without the fields that were not given. */
export function given(fields: Json): Json {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

/**
 * Gives a commander command the behaviour of a gateway verb: sends the body, and where the answer is a job waits for it and shows it, unless
 * --detach. `command` already has its arguments and options.
 */
export function gatewayVerb<O extends VerbOptions>(command: Command, context: CliContext, { verb, body, done }: Verb<O>): Command {
  return withGatewayOptions(command).action(async (...parameters: unknown[]) => {
    const options = parameters.at(-2) as O
    const args = parameters
      .slice(0, -2)
      .flat()
      .filter((value): value is string => typeof value === 'string')
    await withGateway(options, context, async gateway => {
      const answer = await gateway.command(verb, body(args, options))
      const { job_id } = answer
      if (typeof job_id !== 'string') return print(context, options, answer, done(answer))
      if (options.detach) return print(context, options, answer, `job ${job_id}\n`)
      const job = await followJob(gateway, job_id, context)
      print(context, options, job, formatJob(job))
    })
  })
}
