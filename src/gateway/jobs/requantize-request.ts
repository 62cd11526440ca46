import { z } from 'zod'
import { isMetricName, metricNames } from '../../quantization/accuracy/catalog.js'
import { QuantizeSettings } from '../../quantization/settings.js'
import { ModelName } from '../../samples/manifest.js'

const { preset, pipeline, scheme, range_estimator } = QuantizeSettings.shape

/** Whoever may send a command may not name code to run: modules come by model.json alone. */
const metric = z
  .string()
  .refine(name => name === 'auto' || isMetricName(name), { error: `expected auto or one of ${metricNames.join(', ')}` })
  .default('auto')
  .describe('auto, or a metric of the catalog')

/** Body of the `requantize` command, and what its job is told. */
export const RequantizeRequest = z.strictObject({
  model: ModelName,
  devices: z.array(z.string().min(1).max(64)).min(1).default(['*']).describe('devices to quantize for, by id or pattern'),
  scheme,
  preset,
  pipeline,
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
