import { Command } from 'commander'
import { formatTable } from '../quantization/report/text-table.js'
import type { GatewayOptions } from './client/open-gateway.js'
import type { CliContext } from './context.js'
import { print, withGateway, withGatewayOptions } from './gateway-command.js'

/** `quantd jobs`: long work of the gateway, running and kept, newest last. */
export function jobsCommand(context: CliContext): Command {
  return withGatewayOptions(new Command('jobs').description('jobs of the gateway: running ones and how the last ones ended')).action(
    async (options: GatewayOptions) => {
      const jobs = await withGateway(options, context, gateway => gateway.jobs())
      const table = formatTable(
        [...jobs].sort((a, b) => String(a.created_at).localeCompare(String(b.created_at))),
        [
          { title: 'job', value: job => job.job_id },
          { title: 'kind', value: job => job.kind },
          { title: 'model', value: job => job.model },
          { title: 'state', value: job => job.state },
          { title: 'progress', value: job => (job.state === 'running' ? `${Math.round(job.progress * 100)} %` : '-'), align: 'right' },
          { title: 'version', value: job => job.version },
          { title: 'created', value: job => job.created_at },
          { title: 'how', value: job => job.sentence ?? job.error?.message ?? job.stage },
        ],
        { width: context.columns },
      )
      print(context, options, jobs, table || 'no jobs\n')
    },
  )
}
