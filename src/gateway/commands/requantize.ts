import { RequantizeRequest } from '../jobs/requantize-request.js'
import { defineCommand } from './command.js'
import { requireDevices } from './device-pattern.js'

/** Calibrates on what was captured for `model` and quantizes it; answers at once with the job that does so. */
export const requantize = defineCommand({
  verb: 'requantize',
  help: "quantize a model on the gateway's own samples",
  request: RequantizeRequest,
  timeoutMs: 10_000,
  async handle(request, { trigger, caller, id }, { devices, jobs, models }) {
    models.get(request.model)
    requireDevices(request.devices, devices())
    const start = { kind: 'requantize', model: request.model, request, trigger, caller, ...(id === undefined ? {} : { id }) } as const
    const { job_id, state } = await jobs.start(start)
    return { job_id, state }
  },
})
