import type { Job } from '../gateway/jobs/job.js'
import { formatChoice } from '../quantization/report/choice-table.js'
import type { GatewayClient } from './client/gateway-client.js'
import type { CliContext } from './context.js'
import { exitCodeOfJob } from './exit-code.js'
import { ProgressBar } from './output/progress-bar.js'

/** Shows a job's progress on stderr until it ends, and sets the exit code by how it did. An interrupted wait leaves the job running, and says so. */
export async function followJob(gateway: GatewayClient, jobId: string, context: CliContext): Promise<Job> {
  const bar = new ProgressBar(context)
  try {
    const job = await gateway.follow(jobId, ({ state, stage, progress, eta_s }) =>
      bar.show({ label: stage ?? state, share: progress, etaS: eta_s }),
    )
    context.exitCode = exitCodeOfJob(job)
    return job
  } finally {
    bar.end()
    if (context.signal.aborted) context.err(`job ${jobId} goes on; \`quantd cancel ${jobId}\` ends it\n`)
  }
}

/** How a job ended, for people. */
export function formatJob({ job_id, kind, model, state, sentence, version, metrics, candidates, error }: Job): string {
  const lines = [
    `${kind} ${model}: ${state}${version === undefined ? '' : `, version ${version}`}`,
    ...(sentence === undefined ? [] : [`  ${sentence}`]),
    ...(error === undefined ? [] : [`  ${error.code}: ${error.message}`]),
    ...Object.entries(metrics ?? {}).map(([name, value]) => `  ${name}: ${value ?? '-'}`),
    `  job ${job_id}`,
  ]
  const table = candidates === undefined ? '' : `\n${formatChoice(candidates)}`
  return `${lines.join('\n')}\n${table}`
}
