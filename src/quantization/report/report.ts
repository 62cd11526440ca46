import { z } from 'zod'
import { QuantizeSettings } from '../settings.js'

const Range = z.strictObject({ low: z.number(), high: z.number() })

/** One quantizer of the result. */
export const QuantizerEntry = z.strictObject({
  tensor: z.string(),
  of: z.enum(['activation', 'weight', 'bias']),
  scheme: z.enum(['symmetric', 'asymmetric']),
  granularity: z.enum(['per-tensor', 'per-channel']),
  codes: z.enum(['int8', 'uint8', 'int32']),
  estimator: z.string(),
  range: Range.optional().describe('per tensor; the widest of all channels otherwise'),
  scale: z.number().describe('per tensor; the largest of all channels otherwise'),
  zero_point: z.int(),
})

/** One operator of the float graph and what became of it. */
export const LayerEntry = z.strictObject({
  node: z.string(),
  op: z.string(),
  state: z
    .enum(['int8', 'codes', 'float', 'removed'])
    .describe('codes: moves quantized data without arithmetic; removed: folded into a neighbour'),
  reason: z.string().optional().describe('why float'),
  macs: z.number().describe('multiply-adds for one sample'),
  snr_db: z.number().nullable().optional().describe('signal-to-noise of its output against float'),
  reads: z.array(z.string()).optional().describe('computed values that it reads; their quantizers are in `quantizers` under these names'),
  writes: z.array(z.string()).optional().describe('values that it computes'),
  weight: z.string().optional().describe('its constant weight, by the name in `quantizers`'),
})

/** What one algorithm of the pipeline did. */
export const AlgorithmEntry = z.strictObject({
  name: z.string(),
  state: z
    .enum(['applied', 'withdrawn', 'nothing to do', 'not needed', 'off'])
    .describe('withdrawn: tried and measured to be no better; not needed: what came before left no doubt'),
  sentence: z.string(),
  gain_db: z.number().nullable().describe('signal-to-noise of the output with it less that without it; null where it was not measured'),
  changes: z.array(z.string()).describe('one sentence per place that it changed'),
  places: z.array(z.array(z.string())).optional().describe('names of the nodes that each of `changes` touched'),
  seconds: z.number(),
})
export type AlgorithmEntry = z.infer<typeof AlgorithmEntry>

/** One step of the accuracy-aware pipeline. */
export const AwareStep = z.strictObject({
  step: z.enum(['tune', 'rank', 'revert', 'undo']),
  nodes: z.array(z.string()).describe('reverted together'),
  metrics: z.record(z.string(), z.number()).describe('of the model after the step, on all items'),
  sentence: z.string(),
})

/** What the accuracy-aware pipeline did. */
export const AwareEntry = z.strictObject({
  reached: z.boolean().describe('every metric within its allowance'),
  sentence: z.string(),
  estimate_s: z.number().describe('of its time, before it began'),
  seconds: z.number(),
  items: z.int(),
  ranking_items: z.int(),
  kept: z.number().min(0).max(1).describe('share of the quantized layers of the full int8 model that stayed int8'),
  steps: z.array(AwareStep),
})
export type AwareEntry = z.infer<typeof AwareEntry>

/** A candidate that was made and measured on the way to the chosen one. */
export const CandidateEntry = z.strictObject({
  name: z.string().describe('scheme, estimator, algorithms'),
  snr_db: z.number().nullable(),
  drop: z.number().nullable(),
  chosen: z.boolean(),
})
export type CandidateEntry = z.infer<typeof CandidateEntry>

export const Timing = z.strictObject({
  float_us: z.number(),
  int8_us: z.number(),
  ratio: z.number().describe('median of paired int8 / float'),
  low: z.number().describe('interval of that median, 95 %'),
  high: z.number(),
  rounds: z.int(),
})

/** What one metric came to. */
export const MetricFigures = z.strictObject({
  metric: z.string(),
  by: z.enum(['labels', 'float']),
  kind: z.enum(['share', 'rate', 'error']).optional().describe('share: more is better; rate, error: less is'),
  float: z.number().nullable().describe('null: not measured'),
  int8: z.number().nullable(),
  drop: z
    .number()
    .nullable()
    .describe('what int8 loses: the difference (for errors, and where drop_kind is relative, as a share of float)'),
  drop_kind: z.enum(['absolute', 'relative']).optional().describe('absent: absolute'),
  max_drop: z.number(),
})
export type MetricFigures = z.infer<typeof MetricFigures>

/** What the judge found on the held-out samples. */
export const Judgement = z.strictObject({
  verdict: z.enum(['accepted', 'refused', 'unjudged']),
  sentence: z.string().describe('one sentence: why'),
  ...MetricFigures.shape,
  items: z.int(),
  others: z.array(MetricFigures).optional().describe('further metrics that int8 was held to'),
  agreement: z.number().nullable().describe('share of items with the same top-1 as float'),
  snr_db: z.number().nullable(),
  cosine: z.number().nullable(),
  timing: Timing.optional(),
})
export type Judgement = z.infer<typeof Judgement>

/** One form of a model that was put beside the others when it was chosen who serves: an engine with a type, quantized or not. */
export const ChoiceEntry = z.strictObject({
  version: z.string().nullable().describe('null: none was made'),
  device: z.string(),
  engine: z.string(),
  precision: z
    .enum(['int8', 'int8+float32', 'int8+bfloat16', 'int8+float16', 'float32', 'bfloat16', 'float16'])
    .describe('behind the +: what stays float is computed in'),
  prepared: z.boolean().optional().describe('true: the float model as our passes leave it, which the engine runs as another graph'),
  scheme: z.enum(['symmetric', 'asymmetric']).nullable(),
  metric: z.string().nullable(),
  value: z.number().nullable().describe('of the metric'),
  drop: z.number().nullable(),
  ms: z.number().nullable().describe('median of one inference'),
  ratio: z.number().nullable().describe('median of paired times, against float on the reference engine'),
  low: z.number().optional().describe('interval of that median, 95 %'),
  high: z.number().optional(),
  load_ms: z.number().nullable(),
  memory_mib: z.number().nullable().describe('resident memory that opening it added'),
  verdict: z.enum(['reference', 'accepted', 'refused', 'unjudged', 'failed']),
  why: z.string(),
  chosen: z.boolean(),
})
export type ChoiceEntry = z.infer<typeof ChoiceEntry>

/** The report beside a quantized model: `report.json`. */
export const Report = z.strictObject({
  version: z.literal(1),
  model: z.strictObject({ name: z.string(), sha256: z.string(), opset: z.int(), lifted_to: z.int().optional(), bytes: z.int() }),
  result: z.strictObject({
    sha256: z.string(),
    bytes: z.int(),
    opset: z.int(),
    ir: z
      .strictObject({ xml_sha256: z.string(), bin_sha256: z.string(), bytes: z.int() })
      .optional()
      .describe('of the IR files for OpenVINO'),
  }),
  device: z.string().describe('name of the device spec'),
  settings: QuantizeSettings,
  chosen: z.strictObject({
    scheme: z.enum(['symmetric', 'asymmetric']),
    why: z.string(),
    weight_range: z.enum(['full', 'half']),
    estimator: z.string(),
  }),
  samples: z.strictObject({ sha256: z.string(), calibration: z.int(), held_out: z.int() }),
  coverage: z.number().min(0).max(1).describe('share of multiply-adds in integer kernels'),
  coverage_gap: z.string().optional().describe('why the result is no int8 model, whatever its accuracy'),
  integer_kernels: z.record(z.string(), z.int()).describe('operators of the saved optimized graph, counted'),
  layers: z.array(LayerEntry),
  quantizers: z.array(QuantizerEntry),
  observed: z
    .array(z.strictObject({ tensor: z.string(), range: Range }))
    .optional()
    .describe('what activations span on a target of float16, where none is quantized'),
  algorithms: z.array(AlgorithmEntry).optional(),
  candidates: z.array(CandidateEntry).optional(),
  accuracy_aware: AwareEntry.optional(),
  costs: z.string().optional().describe('sha256 of the table of measured costs that placement followed'),
  notes: z.array(z.string()),
  stages: z.array(z.strictObject({ stage: z.string(), seconds: z.number() })).describe('wall time; not part of what is hashed'),
  peak_mib: z
    .int()
    .optional()
    .describe('most resident memory of the process up to the result, before it was judged; not part of what is hashed'),
  engine: z.strictObject({ name: z.string(), version: z.string() }).describe('what ran the float model'),
  evaluated_on: z
    .strictObject({ name: z.string(), version: z.string(), device: z.string().optional(), emulated: z.boolean() })
    .optional()
    .describe('what int8 was measured on; emulated: in operators of another engine than the one that serves it'),
  judgement: Judgement.optional(),
  choice: z.array(ChoiceEntry).optional().describe('what every form of the model reached, on the engine that serves it'),
})
export type Report = z.infer<typeof Report>
export type LayerEntry = z.infer<typeof LayerEntry>
export type QuantizerEntry = z.infer<typeof QuantizerEntry>
