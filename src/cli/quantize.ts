import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { extname, join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { engineNamed } from '../engines/catalog.js'
import type { Engine } from '../engines/engine.js'
import { QuantdError } from '../errors.js'
import type { Graph, Model } from '../graph/graph.js'
import { readModelFile } from '../graph/ir/model-file.js'
import { writeModel } from '../graph/onnx/write.js'
import { dtypes, type NumericDType } from '../graph/tensor/dtype.js'
import type { TensorSpec } from '../graph/tensor/spec.js'
import { probeCpu } from '../hardware/cpu/probe.js'
import type { DeviceSpec } from '../hardware/device-spec.js'
import { loadDeviceSpecs, matchSpec } from '../hardware/match.js'
import { loadBundleMetrics } from '../quantization/accuracy/bundle-metrics.js'
import { isMetricName, metricNames } from '../quantization/accuracy/catalog.js'
import type { Judging } from '../quantization/accuracy/choose-metric.js'
import { judgeSpeed } from '../quantization/accuracy/judge-speed.js'
import type { Metric } from '../quantization/accuracy/metric.js'
import { isModuleName, loadMetricModule } from '../quantization/accuracy/metric-module.js'
import { timeSessions } from '../quantization/accuracy/time-sessions.js'
import type { QuantizeResult, Stage, TargetEngine } from '../quantization/contract.js'
import { type CostTable, checkConditions } from '../quantization/costs/cost-table.js'
import { conditionsHere, loadCosts } from '../quantization/costs/load-costs.js'
import { quantizeForAll } from '../quantization/pipeline.js'
import { explainLayer } from '../quantization/report/explain-layer.js'
import { formatReport } from '../quantization/report/format-report.js'
import type { Judgement, Report } from '../quantization/report/report.js'
import { QuantizeSettings } from '../quantization/settings.js'
import { type Bundle, readBundle } from '../samples/bundle.js'
import { openSamples } from '../samples/open-samples.js'
import type { SampleSource } from '../samples/sample.js'
import { subset } from '../samples/split.js'
import { systemClock } from '../time.js'
import type { CliContext } from './context.js'
import { numberOption } from './number-option.js'
import { ProgressBar } from './output/progress-bar.js'
import { targetEngine } from './target-engine.js'

interface Options {
  readonly samples: string
  readonly out: string
  readonly heldOut?: string
  readonly validation?: string
  readonly maxReverts?: number
  readonly rankingSamples?: number
  readonly device?: readonly string[]
  readonly preset: QuantizeSettings['preset']
  readonly scheme: QuantizeSettings['scheme']
  readonly pipeline: QuantizeSettings['pipeline']
  readonly estimator: QuantizeSettings['range_estimator']
  readonly count: number
  readonly costs?: string
  readonly maxDrop?: number
  readonly metric: QuantizeSettings['metric']
  readonly metricModules?: boolean
  readonly keepFloat?: readonly string[]
  readonly equalization: QuantizeSettings['equalization']
  readonly channelAlignment: QuantizeSettings['channel_alignment']
  readonly smoothQuant: QuantizeSettings['smooth_quant']
  readonly smoothAlpha?: number
  readonly biasCorrection: QuantizeSettings['bias_correction']
  readonly layerTuning: QuantizeSettings['layer_tuning']
  readonly weightRange: QuantizeSettings['weight_range']
  readonly threads: number
  readonly explain?: string
  readonly json?: boolean
}

/** Milliseconds that timing float against int8 may take. */
const timingBudgetMs = 1500

/** Whoever runs this command waits for it: all cores, since nothing is being served. */
const choices = (flags: string, description: string, key: keyof typeof QuantizeSettings.shape) => {
  const parsed = QuantizeSettings.shape[key].parse(undefined)
  const option = new Option(flags, description).default(parsed as string)
  const names = choicesOf(key)
  return names.length === 0 ? option : option.choices(names)
}

function choicesOf(key: keyof typeof QuantizeSettings.shape): readonly string[] {
  const schema: object = QuantizeSettings.shape[key].unwrap()
  // What is read through a preprocessing step keeps its choices behind it.
  const inner = 'out' in schema ? (schema.out as object) : schema
  return 'options' in inner ? (inner.options as readonly string[]) : []
}

/**
 * `quantd quantize MODEL --samples PATH --out DIR`: offline, the same pipeline as the daemon's. Writes model.onnx, for OpenVINO model.xml and model.bin beside
 * it, report.json and report.txt.
 */
export function quantizeCommand(context: CliContext): Command {
  return new Command('quantize')
    .description('calibrate and quantize a model offline; writes model.onnx, report.json and report.txt')
    .argument('<model>', 'an .onnx file, an .xml with its .bin (OpenVINO IR), or a bundle (folder or .tar)')
    .requiredOption('--samples <path>', 'calibration samples: .npz, .npy or a folder of images')
    .requiredOption('--out <dir>', 'folder of the result')
    .option('--held-out <path>', 'samples to judge on (default: those of --samples beyond the first --count)')
    .option(
      '--validation <path>',
      'accuracy-aware: samples that each step is held to (default: labelled calibration samples, else half of the held-out ones)',
    )
    .option(
      '--device <spec>',
      'name of a file in devices/ (default: the one that this host matches); several, with commas, share one run over the samples, each in OUT/NAME',
      (names: string) => names.split(','),
    )
    .addOption(
      choices(
        '--preset <name>',
        'performance: symmetric activations; mixed: asymmetric; auto: measured; accuracy: everything that is switched to auto is tried and measured',
        'preset',
      ),
    )
    .addOption(choices('--scheme <name>', 'scheme of activations', 'scheme'))
    .addOption(choices('--pipeline <name>', 'accuracy-aware: layers are kept float until the allowed drop holds', 'pipeline'))
    .option(
      '--ranking-samples <n>',
      'accuracy-aware: items that layers are ranked on, at most',
      numberOption({ low: 1, high: 100_000, integer: true }),
    )
    .option('--max-reverts <n>', 'accuracy-aware: steps at most', numberOption({ low: 1, high: 10_000, integer: true }))
    .addOption(choices('--estimator <name>', 'range estimator of activations', 'range_estimator'))
    .addOption(choices('--metric <name>', 'what is judged: a metric by name, or a module that exports one', 'metric'))
    .option('--count <n>', 'calibration samples used at most', numberOption({ low: 1, high: 100_000, integer: true }), 300)
    .option('--costs <file>', 'measured costs of this host (bench costs): a layer is int8 only where that is the faster')
    .option('--metric-modules', 'run metrics that the bundle brings as .mjs files: code of whoever made it')
    .option('--max-drop <share>', 'share of the metric that int8 may lose (0.01 = one point)', numberOption({ low: 0, high: 1 }))
    .option('--keep-float <node...>', 'names of nodes that stay float')
    .addOption(choices('--equalization <when>', 'cross-layer equalization with bias absorption', 'equalization'))
    .addOption(choices('--channel-alignment <when>', 'activation channel alignment', 'channel_alignment'))
    .addOption(choices('--smooth-quant <when>', 'SmoothQuant', 'smooth_quant'))
    .option('--smooth-alpha <share>', 'exponent of SmoothQuant (default: several are tried)', numberOption({ low: 0, high: 1 }))
    .addOption(choices('--bias-correction <how>', 'what repairs the mean of each layer', 'bias_correction'))
    .addOption(choices('--layer-tuning <when>', 'rounding and steps of weights, layer by layer against float', 'layer_tuning'))
    .addOption(choices('--weight-range <range>', 'half: codes within +-64, for processors that sum products in 16 bits', 'weight_range'))
    .option(
      '--threads <n>',
      'threads of the calibration',
      numberOption({ low: 1, high: 64, integer: true }),
      Math.min(64, availableParallelism()),
    )
    .option('--explain <layer>', 'print everything that the report knows of one layer, by the name of its node or of what it writes')
    .option('--json', 'print the report as one JSON document on stdout')
    .action((model: string, options: Options) => run(model, options, context))
}

async function run(path: string, options: Options, context: CliContext): Promise<void> {
  checkMetric(options)
  const specs = await Promise.all((options.device ?? [undefined]).map(specOf))
  const engine = engineNamed('onnxruntime')
  const costs = options.costs === undefined ? {} : { costs: costsOf(options.costs, engine) }
  // What another engine serves is measured on that engine where this host has it, else by emulation.
  const targets = await Promise.all(
    specs.map(async spec => {
      const target = await targetEngine(spec)
      return { spec, ...(spec.engine === 'onnxruntime' ? costs : {}), ...(target === undefined ? {} : { target }) }
    }),
  )
  const bundle = await readBundle(path)
  const progress = new ProgressBar(context)
  const opened: SampleSource[] = []
  try {
    const { model, sha256, bytes } = readModelFile(bundle.model.path)
    const inputs = await inputSpecs(model.graph)
    const settings = settingsOf(options, bundle)
    const all = await openSamples(options.samples, { inputs, manifest: bundle.manifest })
    opened.push(all)
    const samples = subset(all, range(0, Math.min(all.count, settings.samples)))
    const heldOut =
      options.heldOut === undefined
        ? subset(all, range(samples.count, all.count))
        : await openSamples(options.heldOut, { inputs, manifest: bundle.manifest })
    opened.push(heldOut)
    const validation =
      options.validation === undefined ? undefined : await openSamples(options.validation, { inputs, manifest: bundle.manifest })
    if (validation !== undefined) opened.push(validation)
    const request = {
      model,
      sha256,
      name: bundle.name,
      bytes,
      samples,
      heldOut,
      ...(validation === undefined ? {} : { validation }),
      spec: specs[0]!,
      settings,
      judging: { ...judgingOf(bundle), modules: await metricModules(options, bundle, settings) },
      engine,
      onProgress: (stage: Stage, share: number, etaS?: number) => progress.show({ label: stage, share, etaS }),
      signal: context.signal,
    }
    const results = await quantizeForAll(request, targets)
    const reports: Report[] = []
    for (const [index, result] of results.entries()) {
      const { spec, target } = targets[index]!
      const out = targets.length === 1 ? options.out : join(options.out, spec.name)
      const files = writeFiles(out, result)
      progress.show({ label: 'time' })
      const { report } = result
      const judgement =
        target !== undefined || isServedHere(spec)
          ? await timed({
              float: floatFile(bundle.model.path, model),
              int8: files[0]!,
              samples,
              report,
              target: target ?? { engine, options: {} },
            })
          : report.judgement!
      progress.end()
      reports.push({ ...report, judgement })
      finish({ ...report, judgement }, { files, out, options }, context)
    }
    if (options.json) context.out(`${JSON.stringify(reports.length === 1 ? reports[0] : reports, undefined, 2)}\n`)
  } finally {
    progress.end()
    await Promise.all(opened.map(source => source.close()))
    await bundle.close()
  }
}

/** Paths of what was written, the one that is served first. */
function writeFiles(out: string, { bytes, ir }: QuantizeResult): readonly string[] {
  mkdirSync(out, { recursive: true })
  const write = (name: string, content: string | Uint8Array) => {
    const path = join(out, name)
    writeFileSync(path, content)
    return path
  }
  const served = ir === undefined ? [] : [write('model.xml', ir.xml), write('model.bin', ir.bin)]
  return [...served, write('model.onnx', bytes)]
}

/** What ONNX Runtime opens as well: IR becomes ONNX. */
const floatFile = (path: string, model: Model): string | Uint8Array => (extname(path).toLowerCase() === '.xml' ? writeModel(model) : path)

function finish(
  report: Report & { judgement: Judgement },
  { files, out, options }: { readonly files: readonly string[]; readonly out: string; readonly options: Options },
  context: CliContext,
): void {
  const json = `${JSON.stringify(report, undefined, 2)}\n`
  const text = formatReport(report)
  writeFileSync(join(out, 'report.json'), json)
  writeFileSync(join(out, 'report.txt'), text)
  if (report.judgement.verdict === 'refused') context.exitCode = 4
  const page = options.explain === undefined ? text : explainLayer(report, options.explain)
  if (!options.json) context.out(`${page}\n${files.join('\n')}\n`)
}

/** What the model takes, as the samples are held to. @throws ERR_QUANT_INPUT for an input that no array can be */
function inputSpecs({ inputs }: Graph): TensorSpec[] {
  return inputs.map(({ name, dtype, shape = [] }) => {
    if (dtype !== undefined && dtypes[dtype].array !== undefined) return { name, dtype: dtype as NumericDType, shape }
    throw new QuantdError('ERR_QUANT_INPUT', `input '${name}' is of type ${dtype ?? 'unknown'}: samples can only hold numbers`)
  })
}

/** @throws ERR_CLI_USAGE for a name that is neither a metric nor a module */
function checkMetric({ metric }: Options): void {
  if (metric === 'auto' || isMetricName(metric) || isModuleName(metric)) return
  throw new QuantdError('ERR_CLI_USAGE', `metric '${metric}': expected one of ${metricNames.join(', ')}, or an .mjs file`, {
    details: { metric, expected: metricNames },
  })
}

/** @throws ERR_CLI_USAGE for a name that is no device, ERR_HARDWARE_PROCESSOR on a host that matches none */
async function specOf(name: string | undefined): Promise<DeviceSpec> {
  const specs = await loadDeviceSpecs()
  const spec = name === undefined ? matchSpec(probeCpu(), specs) : specs.find(candidate => candidate.name === name)
  if (spec !== undefined) return spec
  const names = specs.map(candidate => candidate.name)
  throw name === undefined
    ? new QuantdError('ERR_HARDWARE_PROCESSOR', 'this processor matches none of devices/')
    : new QuantdError('ERR_CLI_USAGE', `device '${name}': expected one of ${names.join(', ')}`, { details: { names } })
}

/** Times of another engine or processor would say nothing of this target. */
const isServedHere = ({ engine, match }: DeviceSpec): boolean =>
  engine === 'onnxruntime' && (match.architecture === undefined || match.architecture === process.arch)

/** A table that was measured here. @throws ERR_COSTS_FILE, ERR_COSTS_OTHER_HOST */
function costsOf(path: string, engine: Engine): CostTable {
  const table = loadCosts(path)
  checkConditions(table, conditionsHere(engine, 1))
  return table
}

function settingsOf(options: Options, { manifest }: Bundle): QuantizeSettings {
  return QuantizeSettings.parse({
    preset: options.preset,
    scheme: options.scheme,
    pipeline: options.pipeline,
    ranking_samples: options.rankingSamples,
    max_reverts: options.maxReverts,
    range_estimator: options.estimator,
    samples: options.count,
    max_drop: options.maxDrop ?? manifest.max_drop,
    drop: manifest.drop ?? 'absolute',
    metric: options.metric,
    metrics: manifest.metrics ?? [],
    keep_float: options.keepFloat ?? [],
    equalization: options.equalization,
    channel_alignment: options.channelAlignment,
    smooth_quant: options.smoothQuant,
    smooth_alpha: options.smoothAlpha,
    bias_correction: options.biasCorrection,
    layer_tuning: options.layerTuning,
    weight_range: options.weightRange,
    threads: options.threads,
  })
}

/** A module that the command line names, beside those that the bundle brings. @throws ERR_QUANT_METRIC_MODULE, ERR_QUANT_METRIC */
async function metricModules(options: Options, bundle: Bundle, settings: QuantizeSettings): Promise<ReadonlyMap<string, Metric>> {
  const { metric, metricModules = false } = options
  const brought = await loadBundleMetrics({ bundle, settings, modules: metricModules ? 'allowed' : 'forbidden' })
  return isModuleName(metric) ? new Map([...brought, [metric, await loadMetricModule(resolve(metric))]]) : brought
}

const judgingOf = ({ manifest, alphabet }: Bundle): Judging => ({
  task: manifest.task,
  ...(manifest.metric === undefined ? {} : { metric: manifest.metric }),
  ...(manifest.output === undefined ? {} : { output: manifest.output }),
  ...(alphabet === undefined ? {} : { alphabet }),
})

interface TimedFields {
  readonly float: string | Uint8Array
  readonly int8: string
  readonly samples: SampleSource
  readonly report: Report
  readonly target: TargetEngine
}

/** Float and int8 in turn on the first sample, one thread each, as a gateway that serves several models runs them. */
async function timed({ float, int8, samples, report, target: { engine, options: more } }: TimedFields): Promise<Judgement> {
  const options = { threads: 1, optimization: 'all', ...more } as const
  const sessions = { float: await engine.open(float, options), int8: await engine.open(int8, options) }
  const { inputs } = await samples.read(0)
  const times = await timeSessions({ ...sessions, inputs, clock: systemClock, budgetMs: timingBudgetMs })
  await Promise.all([sessions.float.close(), sessions.int8.close()])
  return judgeSpeed(report.judgement!, times)
}

const range = (from: number, to: number): number[] => Array.from({ length: Math.max(0, to - from) }, (_, index) => from + index)
