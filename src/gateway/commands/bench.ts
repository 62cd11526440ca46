import { z } from 'zod'
import { ModelName } from '../../samples/manifest.js'
import { defineCommand } from './command.js'
import { requireDevices } from './device-pattern.js'

/** Times float and the version that answers, in turn, on the device that serves them; answers at once with the job that does so. */
export const bench = defineCommand({
  verb: 'bench',
  help: 'time float and the version that answers, in turn',
  request: z.strictObject({
    model: ModelName,
    version: z.string().min(1).max(32).optional().describe('default: the one that answers, or the last int8 when that is float'),
    devices: z.array(z.string()).default(['*']),
    seconds: z.number().min(1).max(600).default(10),
  }),
  timeoutMs: 10_000,
  async handle(request, { trigger, caller, id }, { devices, jobs, models }) {
    models.get(request.model)
    requireDevices(request.devices, devices())
    const start = { kind: 'bench', model: request.model, request, trigger, caller, ...(id === undefined ? {} : { id }) } as const
    const { job_id, state } = await jobs.start(start)
    return { job_id, state }
  },
})
