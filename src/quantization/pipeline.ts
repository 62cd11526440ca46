import type { Engine, Session } from '../engines/engine.js'
import { QuantdError } from '../errors.js'
import type { Model } from '../graph/graph.js'
import { isOp } from '../graph/node.js'
import { writeModel } from '../graph/onnx/write.js'
import type { Evaluate } from '../graph/passes/define-pass.js'
import { prepareModel } from '../graph/passes/prepare.js'
import { elementCount, type Tensor } from '../graph/tensor/tensor.js'
import type { Judging } from './accuracy/choose-metric.js'
import { judgeAccuracy } from './accuracy/judge-accuracy.js'
import { buildReport } from './build-report.js'
import { CandidateMaker } from './candidate.js'
import type { QuantizeRequest, QuantizeResult } from './contract.js'
import { coverageGap } from './coverage.js'
import { place } from './placement/place.js'
import type { Placement } from './placement/placement.js'
import type { Shapes } from './placement/shapes.js'
import type { Judgement } from './report/report.js'
import { searchCandidates } from './search.js'
import type { QuantizeSettings } from './settings.js'
import { StageClock } from './stage-clock.js'
import { batchSize } from './statistics/batch-size.js'
import { measureShapes } from './statistics/measure-shapes.js'
import { observe } from './statistics/observe.js'
import { stackSamples } from './statistics/stack-samples.js'
import type { ChannelMeans, StatisticsWanted } from './statistics/statistics.js'

/** Bytes of float answers that are kept to hold candidates to. */
const referenceBytes = 32 * 2 ** 20

/**
 * Float model in, QDQ int8 model and its report out: import, place, observe, quantize, evaluate, judge. The same request gives the same bytes.
 * int8 that loses too much is given back all the same, its judgement says `refused`; speed is the caller's to time, on the device (`judgeSpeed`).
 * @throws ERR_QUANT_*, ERR_ONNX_UPGRADE, ERR_GRAPH_PASS, ERR_ENGINE_*, ERR_SAMPLES_READ, ERR_ABORTED
 */
export async function quantize(request: QuantizeRequest): Promise<QuantizeResult> {
  const { samples, settings, spec, engine, signal, judging = {} } = request
  const clock = new StageClock(request)
  const onProgress = (share: number) => clock.progress(share)
  const sampleCount = Math.min(settings.samples, samples.count)
  if (sampleCount === 0) throw new QuantdError('ERR_QUANT_NO_SAMPLES', `model '${request.name}': there are no calibration samples`)
  clock.start('import')
  const model = await prepareModel(request.model, { evaluate: evaluator(engine) })
  clock.start('place')
  const { shapes, batch } = await measure(request, model, sampleCount)
  const keepFloat = new Map(settings.keep_float.map(name => [name, 'asked for (keep_float)']))
  const ops = new Set(Object.keys(spec.ops))
  const weightRange = settings.weight_range === 'auto' ? spec.weightRange : settings.weight_range
  const placement = place({ graph: model.graph, shapes, keepFloat, ops, weightRange })
  clock.start('observe')
  const output = judgedOutput(model, judging)
  const { statistics, reference } = await observe({
    model,
    shapes,
    samples,
    sampleCount,
    batch,
    wanted: statisticsWanted(placement, shapes, settings),
    engine,
    threads: settings.threads,
    reference: {
      output,
      count: Math.min(sampleCount, Math.max(1, Math.floor(referenceBytes / (4 * elementCount(shapes.get(output) ?? []))))),
    },
    onProgress,
    ...(signal === undefined ? {} : { signal }),
  })
  clock.start('quantize')
  const { activationCodes } = spec
  const maker = new CandidateMaker({
    model,
    shapes,
    statistics,
    weightRange,
    ops,
    activationCodes,
    biasCorrection: settings.bias_correction !== 'off',
  })
  clock.start('evaluate')
  const chosen = await searchCandidates({ maker, keepFloat, request, judging, reference, output, batch, onProgress })
  clock.start('judge')
  const judged = await judge(request, judging, chosen.session, onProgress).finally(() => chosen.session.close())
  const gap = coverageGap(chosen.candidate.placement.layers)
  const judgement: Judgement = gap === undefined ? judged : { ...judged, verdict: 'refused', sentence: gap }
  const stages = clock.stop()
  return { bytes: chosen.candidate.bytes, report: buildReport({ request, model, chosen, weightRange, sampleCount, judgement, stages }) }
}

/** Runs the constant parts of a graph that `prepareModel` folds. */
function evaluator(engine: Engine): Evaluate {
  return async model => {
    const session = await engine.open(writeModel(model), { threads: 1, optimization: 'disabled' })
    try {
      return new Map<string, Tensor>(Object.entries(await session.infer({})))
    } finally {
      await session.close()
    }
  }
}

async function measure({ samples, engine }: QuantizeRequest, model: Model, sampleCount: number) {
  const first = await samples.read(0)
  const second = sampleCount > 1 ? await samples.read(1) : undefined
  const stacked = second === undefined ? undefined : stackSamples([first, second])
  const feeds = [first.inputs, ...(stacked === undefined ? [] : [stacked])]
  const [single, doubled] = await measureShapes({ model, feeds, engine })
  return { shapes: single!, batch: batchSize(single!, doubled) }
}

function judgedOutput({ graph }: Model, { output }: Judging): string {
  const names = graph.outputs.map(({ name }) => name)
  if (output === undefined) return names[0]!
  if (names.includes(output)) return output
  throw new QuantdError('ERR_QUANT_OUTPUT', `output '${output}' is none of ${names.map(name => `'${name}'`).join(', ')}`)
}

/**
 * Ranges behind every quantizer whose range is not known, also where it follows from another one: when an operator before it is kept float, its own range is
 * needed; channel means of what every linear operator reads. */
function statisticsWanted({ quantizers, units }: Placement, shapes: Shapes, settings: QuantizeSettings): StatisticsWanted {
  const ranges = [...quantizers.values()].filter(({ fixed }) => fixed === undefined).map(({ value }) => value)
  const means = new Map<string, ChannelMeans>()
  for (const { form, main, data } of units.values()) {
    if (form !== 'linear' || settings.bias_correction === 'off') continue
    const value = data[0]!
    means.set(value, { value, axis: isOp(main, 'Conv') ? 1 : shapes.get(value)!.length - 1 })
  }
  return {
    ranges,
    nonNegative: new Set(ranges.filter(value => quantizers.get(value)!.clip?.low === 0)),
    reducers: ['auto', 'quantile', 'mean-quantile'].includes(settings.range_estimator) ? ['extremes', 'quantile'] : ['extremes'],
    quantile: settings.quantile,
    means: [...means.values()],
  }
}

async function judge(request: QuantizeRequest, judging: Judging, int8: Session, onProgress: (share: number) => void): Promise<Judgement> {
  const { engine, settings, heldOut, signal } = request
  const float = await engine.open(writeModel(request.model), { threads: settings.threads, optimization: 'all' })
  try {
    return await judgeAccuracy({
      float,
      int8,
      samples: heldOut,
      judging,
      settings,
      onProgress,
      ...(signal === undefined ? {} : { signal }),
    })
  } finally {
    await float.close()
  }
}
