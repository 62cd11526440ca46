import { z } from 'zod'
import { QuantizeSettings } from '../../quantization/settings.js'
import { ModelName } from '../../samples/manifest.js'

const { preset, scheme, range_estimator, metric } = QuantizeSettings.shape

/** Body of the `requantize` command, and what its job is told. */
export const RequantizeRequest = z.strictObject({
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
})
export type RequantizeRequest = z.infer<typeof RequantizeRequest>
