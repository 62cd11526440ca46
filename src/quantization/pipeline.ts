import type { Session } from '../engines/engine.js'
import { writeModel } from '../graph/onnx/write.js'
import type { Judging } from './accuracy/choose-metric.js'
import { judgeAccuracy } from './accuracy/judge-accuracy.js'
import type { ObserveBasis } from './basis.js'
import { buildReport } from './build-report.js'
import { type Calibration, calibrate, weightRangeOf } from './calibrate.js'
import { CandidateMaker } from './candidate.js'
import type { QuantizeRequest, QuantizeResult } from './contract.js'
import { hashCosts } from './costs/cost-table.js'
import { coverageGap } from './coverage.js'
import type { Judgement } from './report/report.js'
import { searchCandidates } from './search/search.js'
import { StageClock } from './stage-clock.js'
import { targetOf } from './target.js'

/**
 * Float model in, QDQ int8 model and its report out: import, place, observe, quantize, evaluate, judge. The same request gives the same bytes.
 * int8 that loses too much is given back all the same, its judgement says `refused`; speed is the caller's to time, on the device (`judgeSpeed`).
 * @throws ERR_QUANT_*, ERR_ONNX_UPGRADE, ERR_GRAPH_PASS, ERR_ENGINE_*, ERR_SAMPLES_READ, ERR_ABORTED
 */
export async function quantize(asked: QuantizeRequest): Promise<QuantizeResult> {
  await asked.engine.load?.() // of the process, not of a stage
  const clock = new StageClock(asked)
  return quantizeCalibrated(asked, await calibrate(asked, [asked.spec], clock), clock)
}

/** One device that a model is quantized for, and what belongs to it. */
export type QuantizeTarget = Pick<QuantizeRequest, 'spec' | 'costs' | 'target'>

/**
 * The same for several devices, each with a result of its own, in order; those with the same range of weights share import, placement and one pass over the
 * samples, whose time is in the report of the first.
 * @param asked its own target is not looked at
 * @throws as `quantize`
 */
export async function quantizeForAll(asked: QuantizeRequest, targets: readonly QuantizeTarget[]): Promise<readonly QuantizeResult[]> {
  await asked.engine.load?.()
  const results = new Map<QuantizeTarget, QuantizeResult>()
  for (const range of ['full', 'half'] as const) {
    const [first, ...others] = targets.filter(({ spec }) => weightRangeOf(asked.settings, spec) === range)
    if (first === undefined) continue
    let clock = new StageClock(asked)
    const calibration = await calibrate(asked, [first.spec, ...others.map(({ spec }) => spec)], clock)
    for (const target of [first, ...others]) {
      const { costs: _, target: __, ...common } = calibration.request
      const request = { ...common, ...target }
      results.set(target, await quantizeCalibrated(request, { ...calibration, request }, clock))
      clock = new StageClock(asked)
    }
  }
  return targets.map(target => results.get(target)!)
}

async function quantizeCalibrated(asked: QuantizeRequest, calibration: Calibration, clock: StageClock): Promise<QuantizeResult> {
  const { request, basis, refold, sampleCount, batch, output, reference, keepFloat, tuned } = calibration
  const { spec, settings, judging = {} } = request
  const { model } = basis
  const onProgress = (share: number) => clock.progress(share)
  const weightRange = weightRangeOf(settings, spec)
  const brought = calibration.given === undefined ? {} : { given: calibration.given }
  const observing: ObserveBasis = { request, keepFloat, weightRange, sampleCount, batch, ...brought }
  clock.start('quantize')
  const { activationCodes } = spec
  const maker = new CandidateMaker({
    basis,
    weightRange,
    target: targetOf({ spec, weightRange }),
    activationCodes,
    refold,
    ...(asked.costs === undefined ? {} : { costs: asked.costs }),
    ...brought,
  })
  clock.start('evaluate')
  // What the report asks of the search afterwards is no progress of the judge.
  let isSearching = true
  const chosen = await searchCandidates({
    maker,
    observing,
    request,
    judging,
    reference,
    output,
    batch,
    onProgress: share => isSearching && onProgress(share),
    ...(tuned === undefined ? {} : { tuning: tuned.tuning, onStage: (stage, share, etaS) => clock.at(stage, share, etaS) }),
  })
  isSearching = false
  clock.start('judge')
  const noise = await chosen.noise()
  const algorithms = await chosen.algorithms()
  const bytes = chosen.candidate.written()
  const judged = await judge(request, judging, chosen.session, onProgress).finally(() => chosen.session.close())
  const gap = spec.precision === 'float16' ? undefined : coverageGap(chosen.candidate.placement.layers)
  const judgement: Judgement = gap === undefined ? judged : { ...judged, verdict: 'refused', sentence: gap }
  const stages = clock.stop()
  const report = buildReport({
    request,
    model,
    chosen,
    noise,
    algorithms,
    weightRange,
    sampleCount,
    judgement,
    stages,
    notes: calibration.notes,
  })
  const ir = chosen.candidate.ir()
  return {
    bytes,
    ...(ir === undefined ? {} : { ir }),
    report: asked.costs === undefined ? report : { ...report, costs: hashCosts(asked.costs) },
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
