import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Models, VersionRecord } from '../models/model.js'
import { engineOptions } from '../models/serving-devices.js'
import { type CandidateForm, formName } from './candidate-form.js'
import type { JobContext } from './job-kind.js'
import { type Asked, askJobWorker, type WorkerSettings } from './job-worker.js'
import { type JudgeAnswer, type QuantizeAnswer, type QuantizeTask, taskFiles } from './worker-task.js'

/** What the tasks of all forms have in common. */
export type SharedTask = Omit<QuantizeTask, 'do' | 'spec' | 'serving' | 'folder' | 'costs'>

export interface MakeCandidate {
  readonly form: CandidateForm
  readonly task: SharedTask
  readonly models: Models
  readonly settings: WorkerSettings
  /** Table of measured costs, for the form whose engine it was measured on. */
  readonly costs: (engine: string) => { readonly costs?: string }
}

/** A version that is in the store, judged by its accuracy alone so far. */
export interface Candidate {
  readonly form: CandidateForm
  readonly version: VersionRecord
  /** Where the worker left its files. */
  readonly folder: string
  readonly answer: Asked<QuantizeAnswer> | Asked<JudgeAnswer>
}

/**
 * Makes one form of the model in a job worker and judges its accuracy there, on the engine that will serve it: int8 is quantized for the device, float is the
 * bundle's own file. @throws what the worker throws; ERR_MODEL_DEVICE when the device left meanwhile
 */
export async function makeCandidate({ form, task, models, settings, costs }: MakeCandidate, context: JobContext): Promise<Candidate> {
  const { kind, serving } = form
  const device = serving.device.id
  const folder = join(context.folder, `${device}-${kind === 'int8' ? kind : form.precision}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const shared = {
    ...task,
    folder,
    serving: {
      name: serving.engine.name,
      options: engineOptions(serving, kind === 'int8' ? undefined : form.precision),
      env: serving.env,
    },
  }
  if (kind === 'int8') {
    const quantizing = { ...shared, do: 'quantize', spec: serving.spec, ...costs(serving.engine.name) } as const
    const answer = await askJobWorker(quantizing, context, settings)
    context.signal.throwIfAborted()
    const files = { model: join(folder, taskFiles.model), report: join(folder, taskFiles.report), device }
    return { form, folder, answer, version: await models.addVersion(task.model, files) }
  }
  const judging = { ...shared, do: 'judge', judged: models.paths(task.model).model, subject: formName(form) } as const
  const answer = await askJobWorker(judging, context, settings)
  context.signal.throwIfAborted()
  const { precision } = form
  return { form, folder, answer, version: await models.addFloat(task.model, { device, precision, judgement: answer.judgement }) }
}
