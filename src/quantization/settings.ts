import { z } from 'zod'

/** Everything that a quantization can be told; all of it is written into the report. Names follow POT where it had one (quantization.md 4.10). */
export const QuantizeSettings = z.strictObject({
  preset: z.enum(['auto', 'performance', 'mixed', 'accuracy']).default('auto'),
  scheme: z.enum(['auto', 'symmetric', 'asymmetric']).default('auto').describe('of activations'),
  pipeline: z.enum(['default']).default('default'),
  range_estimator: z
    .enum(['auto', 'min-max', 'mean-min-max', 'mean-quantile', 'mse', 'quantile'])
    .default('auto')
    .describe('of activations'),
  quantile: z.number().min(0).max(0.1).default(1e-4).describe('probability mass cut at each end by the quantile estimator'),
  samples: z.int().min(1).max(100_000).default(300).describe('calibration samples used at most'),
  bias_correction: z.boolean().default(true),
  weight_range: z.enum(['auto', 'full', 'half']).default('auto'),
  max_drop: z
    .number()
    .min(0)
    .max(1)
    .default(0.01)
    .describe('share of the metric that int8 may lose (0.01 = one point); relative for errors such as RMSE'),
  metric: z.enum(['auto', 'top1', 'text', 'rmse', 'agreement', 'signal']).default('auto'),
  keep_float: z.array(z.string()).default([]).describe('names of nodes that stay float'),
  threads: z.int().min(1).max(64).default(1),
})
export type QuantizeSettings = z.infer<typeof QuantizeSettings>
