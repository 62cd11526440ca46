import { z } from 'zod'

export const ModelName = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/)
  .refine(name => name !== '.' && name !== '..')

/** How the bytes of an image become one input: decoded, turned to `channels`, resized to the input's height and width, then (value * scale - mean) / std. */
export const ImagePreprocessing = z.strictObject({
  from: z.literal('image'),
  channels: z.enum(['rgb', 'bgr', 'gray']).default('rgb'),
  layout: z.enum(['nchw', 'nhwc']).default('nchw'),
  width: z.int().min(1).max(8192).optional().describe('pixels; default: the width of the input'),
  height: z.int().min(1).max(8192).optional(),
  fit: z
    .enum(['fill', 'cover', 'contain', 'pad-right'])
    .default('fill')
    .describe('pad-right: keep the aspect at full height, zeros to the right'),
  scale: z.number().default(1 / 255),
  mean: z.union([z.number(), z.array(z.number())]).default(0),
  std: z.union([z.number(), z.array(z.number())]).default(1),
})

/** How raw integer bytes (`application/octet-stream` with uint8 pixels, `.npy` of uint8) become a float input: (value * scale - mean) / std. */
export const RawPreprocessing = z.strictObject({
  from: z.literal('uint8'),
  scale: z.number().default(1),
  mean: z.union([z.number(), z.array(z.number())]).default(0),
  std: z.union([z.number(), z.array(z.number())]).default(1),
})

export const CaptureSettings = z.strictObject({
  mode: z.enum(['on', 'off']).default('off'),
  max_mb: z.number().min(1).max(1_000_000).default(256).describe('MiB of request bytes kept for this model'),
  max_age_h: z.number().min(1).max(87_600).default(720).describe('hours that a sample is kept'),
  max_samples: z.int().min(10).max(1_000_000).default(2000).describe('size of the reservoir'),
  least_confident: z
    .int()
    .min(0)
    .max(100_000)
    .default(200)
    .describe('kept besides: the answers with the smallest margin; used for ranking, never for judging'),
})
export type CaptureSettings = z.infer<typeof CaptureSettings>

/** A metric beside the first that int8 is held to, with its own allowance. */
export const MetricDemand = z.strictObject({
  name: z.string().min(1).max(200).describe('a metric of the catalog, or a module'),
  max_drop: z.number().min(0).max(1).describe('what it may lose'),
  drop: z.enum(['absolute', 'relative']).default('absolute'),
})
export type MetricDemand = z.infer<typeof MetricDemand>

/** `model.json` of a bundle. `{}` beside one .onnx is enough. */
export const Manifest = z.strictObject({
  version: z.literal(1).default(1),
  name: ModelName.optional().describe('default: the file name of the model without its extension'),
  file: z.string().optional().describe('the model file within the bundle; default: the only .onnx'),
  task: z.enum(['classification', 'regression', 'text', 'detection', 'other']).default('other'),
  inputs: z
    .record(z.string(), z.discriminatedUnion('from', [ImagePreprocessing, RawPreprocessing]))
    .default({})
    .describe('input name -> preprocessing'),
  state: z
    .record(z.string(), z.string())
    .default({})
    .describe('state output -> state input that it feeds at the next sample of a sequence'),
  classes: z.array(z.string()).optional(),
  metric: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe(
      'a metric of the catalog (top1, topk:5, f1, auc, cer, map, ...), or a module of the bundle (./my-metric.mjs); default: top1 for classification, text for text, rmse for regression, map for detection with labelled boxes, else signal',
    ),
  metrics: z.array(MetricDemand).optional().describe('further metrics that int8 is held to, each with its own allowance'),
  alphabet: z.array(z.string()).optional().describe('text: symbol of each class of a CTC output, class 0 is blank; or see alphabet_file'),
  alphabet_file: z
    .string()
    .optional()
    .describe('text: file in the bundle, one symbol a line, class 0 (blank) not in it, a space appended at the end'),
  output: z.string().optional().describe('the output that is judged; default: the first'),
  max_drop: z.number().min(0).max(1).default(0.01).describe('share of the metric that int8 may lose'),
  drop: z.enum(['absolute', 'relative']).optional().describe('how max_drop is meant for metrics between 0 and 1; default: absolute'),
  batch: z.int().min(1).max(256).default(1).describe('requests that one inference may carry; 1 = off'),
  hint: z
    .enum(['latency', 'throughput'])
    .optional()
    .describe(
      'latency: all threads for one inference; throughput: several inferences side by side, where the engine can; default: serving.hint of the gateway',
    ),
  durability: z.enum(['none', 'broker', 'journal']).default('journal').describe('what a QoS 1 request survives'),
  order: z.enum(['any', 'strict']).default('any'),
  capture: CaptureSettings.prefault({}),
})
export type Manifest = z.infer<typeof Manifest>
