import { z } from 'zod'
import { MetricDemand } from '../samples/manifest.js'

/** `auto`: where what was tried before it leaves a doubt, always under the preset `accuracy`; `on`: always, with what it gained in the report. */
const Switch = z.enum(['auto', 'on', 'off'])

/** Everything that a quantization can be told; all of it is written into the report. Names follow POT where it had one (quantization.md 4.10). */
export const QuantizeSettings = z.strictObject({
  preset: z.enum(['auto', 'performance', 'mixed', 'accuracy']).default('auto'),
  scheme: z.enum(['auto', 'symmetric', 'asymmetric']).default('auto').describe('of activations'),
  pipeline: z
    .enum(['default', 'accuracy-aware'])
    .default('default')
    .describe('accuracy-aware: until the allowed drop holds, layers are kept float'),
  range_estimator: z
    .enum([
      'auto',
      'entropy',
      'histogram',
      'mean-min-max',
      'mean-no-outliers',
      'mean-quantile',
      'median-min-max',
      'median-no-outliers',
      'min-max',
      'mse',
      'quantile',
    ])
    .default('auto')
    .describe('of activations'),
  quantile: z.number().min(0).max(0.1).default(1e-4).describe('probability mass cut at each end by the quantile estimators'),
  aggregation: z.enum(['sample', 'batch']).default('sample').describe('what counts as one observation of a range'),
  samples: z.int().min(1).max(100_000).default(300).describe('calibration samples used at most'),
  equalization: Switch.default('auto').describe('cross-layer equalization with bias absorption'),
  channel_alignment: Switch.default('auto').describe('activation channel alignment'),
  smooth_quant: Switch.default('auto').describe('SmoothQuant: ranges of channels moved from activations into weights'),
  smooth_alpha: z
    .union([z.literal('auto'), z.number().min(0).max(1)])
    .default('auto')
    .describe('share of the range that SmoothQuant moves; auto: several are tried'),
  bias_correction: z
    .preprocess(value => (typeof value === 'boolean' ? (value ? 'fast' : 'off') : value), z.enum(['auto', 'off', 'fast', 'full']))
    .default('auto')
    .describe('auto: fast, and full where it is measured to be better'),
  layer_tuning: Switch.default('auto').describe('rounding and step sizes of weights tuned layer by layer against the float outputs'),
  weight_range: z.enum(['auto', 'full', 'half']).default('auto'),
  max_drop: z
    .number()
    .min(0)
    .max(1)
    .default(0.01)
    .describe('share of the metric that int8 may lose (0.01 = one point); relative for errors such as RMSE'),
  drop: z.enum(['absolute', 'relative']).default('absolute').describe('how `max_drop` is meant for metrics between 0 and 1'),
  metric: z.string().min(1).default('auto').describe('auto, a metric of the catalog, or the path of a module that exports one'),
  metrics: z.array(MetricDemand).default([]).describe('further metrics that int8 is held to'),
  ranking_samples: z.int().min(1).max(100_000).default(300).describe('accuracy-aware: items that layers are ranked on, at most'),
  max_reverts: z.int().min(1).max(10_000).default(10_000).describe('accuracy-aware: steps at most'),
  keep_float: z.array(z.string()).default([]).describe('names of nodes that stay float'),
  threads: z.int().min(1).max(64).default(1),
})
export type QuantizeSettings = z.infer<typeof QuantizeSettings>
