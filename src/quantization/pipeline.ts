import { QuantdError } from '../errors.js'
import { peakResidentMiB } from '../process/memory.js'
import type { ObserveBasis } from './basis.js'
import { buildReport } from './build-report.js'
import { type Calibration, calibrate, weightRangeOf } from './calibrate.js'
import { CandidateMaker } from './candidate.js'
import type { QuantizeRequest, QuantizeResult, QuantizeTarget, SharedRequest } from './contract.js'
import { hashCosts } from './costs/cost-table.js'
import { floatEngine } from './float-engine.js'
import { judgedResult, judgeMade, type Made, type MakeOutcome } from './judge-made.js'
import { searchCandidates } from './search/search.js'
import { StageClock } from './stage-clock.js'
import { targetOf } from './target.js'

/**
 * Float model in, QDQ int8 model and its report out: import, place, observe, quantize, evaluate, judge. The same request gives the same bytes.
 * int8 that loses too much is given back all the same, its judgement says `refused`; speed is the caller's to time, on the device (`judgeSpeed`).
 * @throws ERR_QUANT_*, ERR_ONNX_UPGRADE, ERR_GRAPH_PASS, ERR_ENGINE_*, ERR_SAMPLES_READ, ERR_ABORTED
 */
export async function quantize(asked: QuantizeRequest): Promise<QuantizeResult> {
  const { spec, costs, target, checkpoint } = asked
  const [result] = await quantizeForAll(asked, [
    {
      spec,
      ...(costs === undefined ? {} : { costs }),
      ...(target === undefined ? {} : { target }),
      ...(checkpoint === undefined ? {} : { checkpoint }),
    },
  ])
  return result!
}

/**
 * The same for several devices, each with a result of its own, in order; those with the same range of weights share import, placement and one pass over the
 * samples, and all of them one run of the judge over the held-out samples. What is shared is in the times of the first.
 * @throws as `quantize`
 */
export async function quantizeForAll(asked: SharedRequest, targets: readonly QuantizeTarget[]): Promise<readonly QuantizeResult[]> {
  const outcomes = await makeForAll(asked, targets)
  const made = outcomes.flatMap(outcome => (outcome.kind === 'made' ? [outcome.made] : []))
  try {
    for (const outcome of outcomes) if (outcome.kind === 'failed') throw outcome.error
    const judged = await judgeMade(asked, { made })
    return judged.outcomes.map((outcome, index) => {
      if (outcome.kind === 'failed') throw outcome.error
      return judgedResult(made[index]!, outcome.judgement, index === 0 ? judged.seconds : 0)
    })
  } finally {
    await Promise.all(made.map(({ session }) => session.close()))
  }
}

/**
 * What `quantizeForAll` judges: for each target, in order, what was made, open and without a judgement, or why nothing was.
 * @throws ERR_ABORTED
 */
export async function makeForAll(asked: SharedRequest, targets: readonly QuantizeTarget[]): Promise<readonly MakeOutcome[]> {
  const floats = floatEngine(asked, targets)
  await floats.load?.() // of the process, not of a stage
  const outcomes = new Map<QuantizeTarget, MakeOutcome>()
  const part = (index: number) => (targets.length === 1 ? undefined : { index, count: targets.length })
  for (const range of ['full', 'half'] as const) {
    const group = targets.filter(({ spec }) => weightRangeOf(asked.settings, spec) === range)
    const [first, ...others] = group
    if (first === undefined) continue
    let clock = new StageClock(asked, part(outcomes.size))
    let calibration: Calibration
    try {
      calibration = await calibrate({ ...asked, ...first }, [first.spec, ...others.map(({ spec }) => spec)], clock, floats)
    } catch (error) {
      await closeIfAborted(asked, outcomes.values())
      for (const target of group) outcomes.set(target, { kind: 'failed', error })
      continue
    }
    for (const target of group) {
      const { costs: _, target: __, checkpoint: ___, ...common } = calibration.request
      const request = { ...common, ...target }
      try {
        outcomes.set(target, { kind: 'made', made: await make({ ...calibration, request }, clock) })
      } catch (error) {
        await closeIfAborted(asked, outcomes.values())
        outcomes.set(target, { kind: 'failed', error })
      }
      clock = new StageClock(asked, part(outcomes.size))
    }
  }
  return targets.map(target => outcomes.get(target)!)
}

/** @throws ERR_ABORTED, everything closed, where it was asked for */
async function closeIfAborted({ signal }: SharedRequest, outcomes: Iterable<MakeOutcome>): Promise<void> {
  if (signal?.aborted !== true) return
  await Promise.all([...outcomes].map(async outcome => outcome.kind === 'made' && outcome.made.session.close()))
  throw new QuantdError('ERR_ABORTED', 'quantization aborted', { cause: signal.reason })
}

/** One device: from the calibration to what the judge is given. */
async function make(calibration: Calibration, clock: StageClock): Promise<Made> {
  const { request, basis, refold, sampleCount, batch, output, reference, keepFloat, tuned } = calibration
  const { spec, settings, costs, judging = {} } = request
  const { model } = basis
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
    ...(costs === undefined ? {} : { costs }),
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
    onProgress: share => clock.progress(share),
    ...(tuned === undefined ? {} : { tuning: tuned.tuning, onStage: (stage, share, etaS) => clock.at(stage, share, etaS) }),
  })
  // What the report alone wants to know is no part of the making.
  const peakMiB = peakResidentMiB()
  const [noise, algorithms] = await clock.quietly('judge', async () => [await chosen.noise(), await chosen.algorithms()] as const)
  const bytes = chosen.candidate.written()
  const stages = clock.stop()
  const report = buildReport({
    request,
    model,
    chosen,
    noise,
    algorithms,
    weightRange,
    sampleCount,
    stages,
    peakMiB,
    notes: calibration.notes,
  })
  const ir = chosen.candidate.ir()
  return {
    bytes,
    ...(ir === undefined ? {} : { ir }),
    report: costs === undefined ? report : { ...report, costs: hashCosts(costs) },
    session: chosen.session,
    heldOut: request.heldOut,
    ...(request.target === undefined ? {} : { target: request.target }),
  }
}
