import { QuantdError } from '../../errors.js'
import { heldToCoverage } from '../../quantization/coverage.js'
import { rowName } from '../../quantization/report/choice-sentence.js'
import { QuantizeSettings } from '../../quantization/settings.js'
import type { Capture } from '../calibration/capture.js'
import type { Models } from '../models/model.js'
import { engineOptions, type ServingDevices } from '../models/serving-devices.js'
import { readReport } from '../models/version-files.js'
import { choiceEntry } from './choice.js'
import type { JobContext, JobKind, JobOutcome } from './job-kind.js'
import { askJobWorker, type WorkerSettings } from './job-worker.js'
import { jobProgress } from './progress.js'
import { splitSamples } from './split-samples.js'
import { judgementMetrics, timedJudgement, timeVersion } from './timed-judgement.js'

export interface JudgeOptions {
  readonly models: Models
  readonly capture: Capture
  readonly devices: ServingDevices
  readonly settings: () => WorkerSettings
}

/**
 * Judges the active version again, after an upgrade of the engine or a change of the processor (DECISIONS, Judge): accuracy on what is held out now,
 * speed in the device worker. One that does not hold any more makes way for float, unless it is pinned.
 */
export function judgeJob(options: JudgeOptions): JobKind {
  return { kind: 'judge', sizeBytes: () => 0, execute: context => execute(options, context) }
}

async function execute({ models, capture, devices, settings }: JudgeOptions, context: JobContext): Promise<JobOutcome> {
  const { job, folder, update } = context
  const { manifest, inputs, active, versions, pinned } = models.get(job.model)
  const version = versions.find(candidate => candidate.version === active)
  if (version?.judgement === undefined) return { state: 'succeeded', sentence: 'float answers: there is nothing to judge' }
  const serving = devices.get(version.device)
  if (serving === undefined)
    throw new QuantdError('ERR_MODEL_DEVICE', `version ${version.version} runs on ${version.device}, which is not there`)
  const subject = version.kind === 'int8' && serving === devices.reference ? 'int8' : rowName(choiceEntry(models, job.model, version))
  update({ stage: 'capture', progress: 0 })
  const { samples, release } = await capture.snapshot(job.model)
  try {
    const answer = await askJobWorker(
      {
        do: 'judge',
        model: job.model,
        bundle: models.paths(job.model).bundle,
        manifest,
        inputs,
        engine: devices.reference.engine.name,
        env: serving.env,
        serving: { name: serving.engine.name, options: engineOptions(serving, version.precision) },
        settings: QuantizeSettings.parse({
          metric: manifest.metric ?? 'auto',
          metrics: manifest.metrics ?? [],
          drop: manifest.drop ?? 'absolute',
          max_drop: version.judgement.max_drop ?? manifest.max_drop,
          threads: settings().threads,
        }),
        metricModules: settings().metric_modules,
        heldOut: { kind: 'captured', samples: splitSamples(samples, version.samples ?? 0).heldOut },
        judged: models.paths(job.model, version.version).model,
        subject,
        folder,
      },
      context,
      settings(),
    )
    update(jobProgress('time', 0))
    const { report } = models.paths(job.model, version.version)
    const held = report === undefined ? answer.judgement : heldToCoverage(answer.judgement, await readReport(report))
    const times = await timeVersion({ models, version: version.version, request: answer.request }, context)
    const judgement = timedJudgement(held, times, subject)
    await models.judge(job.model, version.version, judgement)
    const outcome = { version: version.version, metrics: judgementMetrics(judgement) }
    if (judgement.verdict !== 'refused') return { ...outcome, state: 'succeeded', sentence: judgement.sentence }
    if (pinned) return { ...outcome, state: 'rejected', sentence: `${judgement.sentence}; it is pinned and goes on answering` }
    await models.activate(job.model, '1')
    return { ...outcome, state: 'rejected', sentence: `${judgement.sentence}; float answers` }
  } finally {
    await release()
  }
}
