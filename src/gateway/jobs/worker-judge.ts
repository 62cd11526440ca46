import { engineNamed } from '../../engines/catalog.js'
import { judgeAccuracy } from '../../quantization/accuracy/judge-accuracy.js'
import type { OnProgress } from '../../quantization/contract.js'
import { readBundle } from '../../samples/bundle.js'
import { judgingOf, openPlace, writeTimingRequest } from './worker-samples.js'
import type { JudgeAnswer, JudgeTask } from './worker-task.js'

/** One version against float on held-out samples, on the engine that serves it, as that is now. @throws ERR_ENGINE_*, ERR_QUANT_METRIC, ERR_SAMPLES_* */
export async function runJudge(task: JudgeTask, onProgress: OnProgress): Promise<JudgeAnswer> {
  const { settings, serving, subject } = task
  const bundle = await readBundle(task.bundle, { name: task.model })
  const engine = engineNamed(task.engine)
  const samples = await openPlace(task, task.heldOut)
  const float = await engine.open(bundle.model.path, { threads: settings.threads })
  const int8 = await engineNamed(serving.name).open(task.judged, { threads: settings.threads, ...serving.options })
  const judgement = await judgeAccuracy({
    float,
    int8,
    samples,
    judging: await judgingOf(bundle, task),
    settings: { ...settings, subject },
    onProgress: share => onProgress('judge', share),
  })
  return { judgement, request: await writeTimingRequest(task, samples) }
}
