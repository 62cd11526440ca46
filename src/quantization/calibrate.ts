import type { Engine } from '../engines/engine.js'
import { QuantdError } from '../errors.js'
import type { Model } from '../graph/graph.js'
import { writeModel } from '../graph/onnx/write.js'
import type { Evaluate } from '../graph/passes/define-pass.js'
import { prepareModel } from '../graph/passes/prepare.js'
import { elementCount, type Tensor } from '../graph/tensor/tensor.js'
import type { DeviceSpec } from '../hardware/device-spec.js'
import { subset } from '../samples/split.js'
import type { Judging } from './accuracy/choose-metric.js'
import { type TuningItems, tuningItems } from './accuracy-aware/tuning-items.js'
import { type Basis, type ObserveBasis, statisticsWanted } from './basis.js'
import type { QuantizeRequest } from './contract.js'
import type { GivenQuantizers } from './placement/given-quantizers.js'
import { bringsQuantizers, importQuantizers } from './qat/import-quantizers.js'
import type { QuantizeSettings } from './settings.js'
import type { StageClock } from './stage-clock.js'
import { batchSize } from './statistics/batch-size.js'
import { measureShapes } from './statistics/measure-shapes.js'
import { observe } from './statistics/observe.js'
import { inferAll, readSamples, stackSamples } from './statistics/stack-samples.js'
import type { StatisticsWanted } from './statistics/statistics.js'
import { takeBranches } from './statistics/take-branches.js'
import { unionWanted } from './statistics/union-wanted.js'

/** Bytes of float answers that are kept to hold candidates to. */
const referenceBytes = 32 * 2 ** 20

/** Everything that is done once for a model and its samples, however many devices it is quantized for. */
export interface Calibration {
  /** The request with the samples that take one branch, and with what is left to the judge. */
  readonly request: QuantizeRequest
  readonly basis: Basis
  readonly refold: (lowered: Model) => Model
  readonly sampleCount: number
  /** Samples per run (`batchSize`). */
  readonly batch: number
  readonly output: string
  /** Answers to the first samples that candidates are held to. */
  readonly reference: readonly Tensor[]
  readonly keepFloat: ReadonlyMap<string, string>
  /** Quantizers that the model brought along; absent = none. */
  readonly given?: GivenQuantizers
  /** What accuracy-aware steps are held to; absent = the default pipeline. */
  readonly tuned?: TuningItems
  readonly notes: readonly string[]
}

/** `auto` is the range of the device. */
export const weightRangeOf = ({ weight_range }: QuantizeSettings, spec: DeviceSpec): 'full' | 'half' =>
  weight_range === 'auto' ? spec.weightRange : weight_range

/**
 * Import, placement and one pass over the samples for all of `specs` together: one of them at least, all with the same range of weights.
 * @param floats runs the float model and what observes it (`floatEngine`)
 * @throws ERR_QUANT_*, ERR_ONNX_UPGRADE, ERR_GRAPH_PASS, ERR_ENGINE_*, ERR_SAMPLES_READ, ERR_ABORTED
 */
export async function calibrate(
  asked: QuantizeRequest,
  specs: readonly [DeviceSpec, ...DeviceSpec[]],
  clock: StageClock,
  floats: Engine,
): Promise<Calibration> {
  const { settings, signal, judging = {} } = asked
  const offered = Math.min(settings.samples, asked.samples.count)
  if (offered === 0) throw new QuantdError('ERR_QUANT_NO_SAMPLES', `model '${asked.name}': there are no calibration samples`)
  clock.start('import')
  // Constants are folded to the last bit, in every type.
  const evaluate = evaluator(asked.engine)
  const weightRange = weightRangeOf(settings, specs[0])
  const imported = bringsQuantizers(asked.model) ? await importQuantizers(asked.model, { evaluate, weightRange }) : undefined
  const prepared = imported?.model ?? (await prepareModel(asked.model, { evaluate }))
  const abort = signal === undefined ? {} : { signal }
  const taken = await takeBranches({ model: prepared, samples: asked.samples, sampleCount: offered, engine: asked.engine, ...abort })
  const { model, refold } = taken
  const sampleCount = taken.sampleIndices.length
  const samples = sampleCount === offered ? asked.samples : subset(asked.samples, taken.sampleIndices)
  const tuned = settings.pipeline === 'accuracy-aware' ? await tuningItems({ ...asked, samples }) : undefined
  const request: QuantizeRequest = { ...asked, engine: floats, samples, heldOut: tuned?.heldOut ?? asked.heldOut }
  clock.start('place')
  const { shapes, batch: largest } = await measure(request, model, sampleCount)
  // A condition is one value: samples that run together may take different branches one by one.
  const batch = model === prepared ? largest : 1
  const keepFloat = new Map(settings.keep_float.map(name => [name, 'asked for (keep_float)']))
  const brought = imported === undefined ? {} : { given: imported.given }
  const [first, ...others] = specs
  const wantedBy = (spec: DeviceSpec): StatisticsWanted => {
    const observing: Pick<ObserveBasis, 'request' | 'keepFloat' | 'weightRange' | 'given'> = {
      request: { ...request, spec },
      keepFloat,
      weightRange,
      ...brought,
    }
    return statisticsWanted(model, shapes, observing)
  }
  const wanted = unionWanted([wantedBy(first), ...others.map(wantedBy)])
  clock.start('observe')
  const output = judgedOutput(model, judging)
  const { statistics, reference: floatAnswers } = await observe({
    model,
    shapes,
    samples,
    sampleCount,
    batch,
    wanted,
    engine: floats,
    threads: settings.threads,
    reference: {
      output,
      count: Math.min(sampleCount, Math.max(1, Math.floor(referenceBytes / (4 * elementCount(shapes.get(output) ?? []))))),
    },
    onProgress: share => clock.progress(share),
    ...abort,
  })
  return {
    request,
    basis: { model, shapes, statistics, samples, applied: [] },
    refold,
    sampleCount,
    batch,
    output,
    // A model with quantizers of its own is held to what they give, as it was trained.
    reference: imported === undefined ? floatAnswers : await answers(request, { output, count: floatAnswers.length, batch }),
    keepFloat,
    ...brought,
    ...(tuned === undefined ? {} : { tuned }),
    notes: [...(imported?.notes ?? []), ...taken.notes, ...(tuned === undefined ? [] : [tuned.why])],
  }
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
