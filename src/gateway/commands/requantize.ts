import { z } from 'zod'
import { QuantizeSettings } from '../../quantization/settings.js'
import { ModelName } from '../../samples/manifest.js'
import { defineCommand } from './command.js'
import { requireDevices } from './device-pattern.js'

const { preset, scheme, range_estimator, metric } = QuantizeSettings.shape

/** Calibrates on what was captured for `model` and quantizes it; answers at once with the job that does so. */
export const requantize = defineCommand({
  verb: 'requantize',
  help: "quantize a model on the gateway's own samples",
  request: z.strictObject({
    model: ModelName,
    devices: z.array(z.string().min(1).max(64)).min(1).default(['*']).describe('devices to quantize for, by id or pattern'),
    scheme,
    preset,
    range_estimator,
    metric,
    samples: z.int().min(10).max(10_000).default(300).describe('calibration samples at most'),
    source: z
      .enum(['captured', 'bundle'])
      .default('captured')
      .describe('what to calibrate on: captured requests, or calibration.npz of the bundle'),
    max_drop: z.number().min(0).max(1).optional().describe('share of the metric that int8 may lose; default: what the bundle says'),
    activate: z.enum(['auto', 'manual']).default('auto'),
    deadline_s: z.number().min(1).max(86_400).optional().describe('seconds after which the job is given up'),
  }),
  timeoutMs: 10_000,
  async handle(request, { trigger, caller, id }, { devices, jobs, models }) {
    models.get(request.model)
    requireDevices(request.devices, devices())
    const start = { kind: 'requantize', model: request.model, request, trigger, caller, ...(id === undefined ? {} : { id }) } as const
    const { job_id, state } = await jobs.start(start)
    return { job_id, state }
  },
})
