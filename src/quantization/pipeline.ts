import type { Engine, Session } from '../engines/engine.js'
import { QuantdError } from '../errors.js'
import type { Model } from '../graph/graph.js'
import { writeModel } from '../graph/onnx/write.js'
import type { Evaluate } from '../graph/passes/define-pass.js'
import { prepareModel } from '../graph/passes/prepare.js'
import { elementCount, type Tensor } from '../graph/tensor/tensor.js'
import { subset } from '../samples/split.js'
import type { Judging } from './accuracy/choose-metric.js'
import { judgeAccuracy } from './accuracy/judge-accuracy.js'
import { tuningItems } from './accuracy-aware/tuning-items.js'
import { type ObserveBasis, statisticsWanted } from './basis.js'
import { buildReport } from './build-report.js'
import { CandidateMaker } from './candidate.js'
import type { QuantizeRequest, QuantizeResult } from './contract.js'
import { hashCosts } from './costs/cost-table.js'
import { coverageGap } from './coverage.js'
import { bringsQuantizers, importQuantizers } from './qat/import-quantizers.js'
import type { Judgement } from './report/report.js'
import { searchCandidates } from './search/search.js'
import { StageClock } from './stage-clock.js'
import { batchSize } from './statistics/batch-size.js'
import { measureShapes } from './statistics/measure-shapes.js'
import { observe } from './statistics/observe.js'
import { inferAll, readSamples, stackSamples } from './statistics/stack-samples.js'
import { takeBranches } from './statistics/take-branches.js'
import { targetOf } from './target.js'

/** Bytes of float answers that are kept to hold candidates to. */
const referenceBytes = 32 * 2 ** 20

/**
 * Float model in, QDQ int8 model and its report out: import, place, observe, quantize, evaluate, judge. The same request gives the same bytes.
 * int8 that loses too much is given back all the same, its judgement says `refused`; speed is the caller's to time, on the device (`judgeSpeed`).
 * @throws ERR_QUANT_*, ERR_ONNX_UPGRADE, ERR_GRAPH_PASS, ERR_ENGINE_*, ERR_SAMPLES_READ, ERR_ABORTED
 */
export async function quantize(given: QuantizeRequest): Promise<QuantizeResult> {
  const { settings, spec, engine, signal, judging = {} } = given
  const clock = new StageClock(given)
  const onProgress = (share: number) => clock.progress(share)
  const offered = Math.min(settings.samples, given.samples.count)
  if (offered === 0) throw new QuantdError('ERR_QUANT_NO_SAMPLES', `model '${given.name}': there are no calibration samples`)
  clock.start('import')
  const weightRange = settings.weight_range === 'auto' ? spec.weightRange : settings.weight_range
  const evaluate = evaluator(engine)
  const imported = bringsQuantizers(given.model) ? await importQuantizers(given.model, { evaluate, weightRange }) : undefined
  const prepared = imported?.model ?? (await prepareModel(given.model, { evaluate }))
  const taken = await takeBranches({
    model: prepared,
    samples: given.samples,
    sampleCount: offered,
    engine,
    ...(signal === undefined ? {} : { signal }),
  })
  const { model, refold } = taken
  const sampleCount = taken.sampleIndices.length
  const samples = sampleCount === offered ? given.samples : subset(given.samples, taken.sampleIndices)
  const tuned = settings.pipeline === 'accuracy-aware' ? await tuningItems({ ...given, samples }) : undefined
  const request: QuantizeRequest = {
    ...given,
    samples,
    heldOut: tuned?.heldOut ?? given.heldOut,
  }
  clock.start('place')
  const { shapes, batch: largest } = await measure(request, model, sampleCount)
  // A condition is one value: samples that run together may take different branches one by one.
  const batch = model === prepared ? largest : 1
  const keepFloat = new Map(settings.keep_float.map(name => [name, 'asked for (keep_float)']))
  const brought = imported === undefined ? {} : { given: imported.given }
  const observing: ObserveBasis = { request, keepFloat, weightRange, sampleCount, batch, ...brought }
  const wanted = statisticsWanted(model, shapes, observing)
  clock.start('observe')
  const output = judgedOutput(model, judging)
  const { statistics, reference: floatAnswers } = await observe({
    model,
    shapes,
    samples,
    sampleCount,
    batch,
    wanted,
    engine,
    threads: settings.threads,
    reference: {
      output,
      count: Math.min(sampleCount, Math.max(1, Math.floor(referenceBytes / (4 * elementCount(shapes.get(output) ?? []))))),
    },
    onProgress,
    ...(signal === undefined ? {} : { signal }),
  })
  // A model with quantizers of its own is held to what they give, as it was trained.
  const reference = imported === undefined ? floatAnswers : await answers(request, { output, count: floatAnswers.length, batch })
  clock.start('quantize')
  const { activationCodes } = spec
  const maker = new CandidateMaker({
    basis: { model, shapes, statistics, applied: [] },
    weightRange,
    target: targetOf({ spec, weightRange }),
    activationCodes,
    refold,
    ...(given.costs === undefined ? {} : { costs: given.costs }),
    ...brought,
  })
  clock.start('evaluate')
  const chosen = await searchCandidates({
    maker,
    observing,
    request,
    judging,
    reference,
    output,
    batch,
    onProgress,
    ...(tuned === undefined ? {} : { tuning: tuned.tuning, onStage: (stage, share, etaS) => clock.at(stage, share, etaS) }),
  })
  clock.start('judge')
  const judged = await judge(request, judging, chosen.session, onProgress).finally(() => chosen.session.close())
  const gap = spec.precision === 'float16' ? undefined : coverageGap(chosen.candidate.placement.layers)
  const judgement: Judgement = gap === undefined ? judged : { ...judged, verdict: 'refused', sentence: gap }
  const stages = clock.stop()
  const report = buildReport({
    request,
    model,
    chosen,
    weightRange,
    sampleCount,
    judgement,
    stages,
    notes: [...(imported?.notes ?? []), ...taken.notes, ...(tuned === undefined ? [] : [tuned.why])],
  })
  return { bytes: chosen.candidate.written(), report: given.costs === undefined ? report : { ...report, costs: hashCosts(given.costs) } }
}

/** Runs the constant parts of a graph that `prepareModel` folds. */
export function evaluator(engine: Engine): Evaluate {
  return async model => {
    const session = await engine.open(writeModel(model), { threads: 1, optimization: 'disabled' })
    try {
      return new Map<string, Tensor>(Object.entries(await session.infer({})))
    } finally {
      await session.close()
    }
  }
}

/** What the model of the request answers to its first samples. */
async function answers(
  { model, samples, engine, settings }: QuantizeRequest,
  { output, count, batch }: { readonly output: string; readonly count: number; readonly batch: number },
): Promise<readonly Tensor[]> {
  const session = await engine.open(writeModel(model), { threads: settings.threads, optimization: 'all' })
  try {
    const found: Tensor[] = []
    for (let index = 0; index < count; index += batch) {
      const run = Array.from({ length: Math.min(batch, count - index) }, (_, at) => index + at)
      found.push(...(await inferAll(session, await readSamples(samples, run), output)))
    }
    return found
  } finally {
    await session.close()
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
