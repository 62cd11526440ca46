import { Command } from 'commander'
import type { Job } from '../gateway/jobs/job.js'
import type { CliContext } from './context.js'
import { gatewayVerb } from './verb.js'

/** `quantd cancel JOB` */
export function cancelCommand(context: CliContext): Command {
  const command = new Command('cancel').description('end a job').argument('<job>', 'id, as `quantd jobs` lists it')
  return gatewayVerb(command, context, {
    verb: 'cancel',
    body: ([job]) => ({ job_id: job }),
    done: ({ job }) => `job ${String((job as Job).job_id)}: ${String((job as Job).state)}\n`,
  })
}
