import type { Session } from '../engines/engine.js'
import { writeModel } from '../graph/onnx/write.js'
import type { SampleSource } from '../samples/sample.js'
import { type JudgedModel, type JudgeOutcome, judgeAll } from './accuracy/judge-accuracy.js'
import type { QuantizeResult, SharedRequest, TargetEngine } from './contract.js'
import { heldToCoverage } from './coverage.js'
import { openFasterFloat } from './faster-float.js'
import type { Judgement } from './report/report.js'
import { StageClock } from './stage-clock.js'

/** A quantized model that nobody has judged yet, open on the engine that it was made for or what stands for it. */
export interface Made extends QuantizeResult {
  /** Whoever has it made closes it. */
  readonly session: Session
  /** What is left to the judge: the same for all that were made of the same samples. */
  readonly heldOut: SampleSource
  /** What sentences of the judge call it. Default: int8. */
  readonly subject?: string
  /** Engine that it was made for, where that is not the one that runs floats. */
  readonly target?: TargetEngine
}

/** What became of one device; one that failed leaves the others to it. */
export type MakeOutcome = { readonly kind: 'made'; readonly made: Made } | { readonly kind: 'failed'; readonly error: unknown }

export interface JudgeMadeOptions {
  readonly made: readonly Made[]
  /** Further models that are held to the same answers. */
  readonly others?: readonly JudgedModel[]
}

/** Outcomes in the order of what was made, then of the others. */
export interface JudgedTogether {
  readonly outcomes: readonly JudgeOutcome[]
  readonly seconds: number
}

/** Holds everything that was made, and `others`, to float's answers in one run over the held-out samples. @throws as `judgeAll`; ERR_ENGINE_OPEN for float */
export async function judgeMade(asked: SharedRequest, { made, others = [] }: JudgeMadeOptions): Promise<JudgedTogether> {
  const { engine, settings, signal, judging = {}, model } = asked
  const clock = new StageClock(asked)
  clock.start('judge')
  const samples = made[0]?.heldOut ?? asked.heldOut
  const float = await openFasterFloat({
    model: writeModel(model),
    engine,
    others: made.flatMap(({ target }) => target ?? []),
    options: { threads: settings.threads, optimization: 'all' },
    samples,
  })
  try {
    const outcomes = await judgeAll({
      float,
      models: [...made, ...others],
      samples,
      judging,
      settings,
      onProgress: share => clock.progress(share),
      ...(signal === undefined ? {} : { signal }),
    })
    return { outcomes, seconds: clock.stop()[0]!.seconds }
  } finally {
    await float.close()
  }
}

/** The result with what the judge says of it. @param seconds of the judge that count for this one */
export function judgedResult({ bytes, ir, report }: Made, judgement: Judgement, seconds = 0): QuantizeResult {
  const stages = report.stages.map(entry => (entry.stage === 'judge' ? { ...entry, seconds: round(entry.seconds + seconds) } : entry))
  return { bytes, ...(ir === undefined ? {} : { ir }), report: { ...report, stages, judgement: heldToCoverage(judgement, report) } }
}

const round = (seconds: number) => Math.round(seconds * 1000) / 1000
