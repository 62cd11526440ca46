import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { QuantdError } from '../../errors.js'
import { Report } from '../../quantization/report/report.js'
import type { Models, VersionRecord } from '../models/model.js'
import { engineOptions } from '../models/serving-devices.js'
import { type CandidateForm, formName, formPrecision } from './candidate-form.js'
import type { JobContext } from './job-kind.js'
import { type Asked, askJobWorker, type WorkerSettings } from './job-worker.js'
import { type JudgeAnswer, type QuantizeAnswer, type QuantizeTask, taskFiles } from './worker-task.js'

/** What the tasks of all forms have in common. */
export type SharedTask = Omit<QuantizeTask, 'do' | 'spec' | 'serving' | 'folder' | 'costs'>

export interface MakeCandidate {
  readonly form: CandidateForm
  /** What was made before it. */
  readonly made: readonly Candidate[]
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
 * Makes one form of the model in a job worker and judges its accuracy there, on the engine that will serve it: int8 is quantized for the device, or is the file
 * that was, opened with another type for the rest; float is the bundle's own file.
 * @throws what the worker throws; ERR_ENGINE_OPEN for a form of an int8 file that was not made; ERR_MODEL_DEVICE when the device left meanwhile
 */
export async function makeCandidate({ form, made, task, models, settings, costs }: MakeCandidate, context: JobContext): Promise<Candidate> {
  const { kind, serving, precision } = form
  const device = serving.device.id
  const folder = join(context.folder, `${device}-${formPrecision(form)}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const { engine, env } = serving
  const shared = { ...task, folder, serving: { name: engine.name, options: engineOptions(serving, precision), env } }
  if (kind === 'int8' && precision === undefined) {
    const quantizing = { ...shared, do: 'quantize', spec: serving.spec, ...costs(engine.name) } as const
    const answer = await askJobWorker(quantizing, context, settings)
    context.signal.throwIfAborted()
    const files = { model: join(folder, taskFiles.model), report: join(folder, taskFiles.report), device }
    return { form, folder, answer, version: await models.addVersion(task.model, files) }
  }
  const base = kind === 'int8' ? plainInt8(made, form) : undefined
  const judged = models.paths(task.model, base?.version.version).model
  const answer = await askJobWorker({ ...shared, do: 'judge', judged, subject: formName(form) }, context, settings)
  context.signal.throwIfAborted()
  const { judgement } = answer
  if (kind === 'float') return { form, folder, answer, version: await models.addFloat(task.model, { device, precision, judgement }) }
  const report = join(folder, taskFiles.report)
  const found: unknown = JSON.parse(await readFile(join(base!.folder, taskFiles.report), 'utf8'))
  await writeFile(report, JSON.stringify({ ...Report.parse(found), judgement }), { mode: 0o600 })
  const files = { model: judged, report, device, ...(precision === undefined ? {} : { precision }) }
  return { form, folder, answer, version: await models.addVersion(task.model, files) }
}

/** The int8 of the same device, whose file the form opens with another type. @throws ERR_ENGINE_OPEN */
function plainInt8(made: readonly Candidate[], { serving }: CandidateForm): Candidate {
  const found = made.find(({ form }) => form.kind === 'int8' && form.serving === serving && form.precision === undefined)
  if (found !== undefined) return found
  throw new QuantdError('ERR_ENGINE_OPEN', `the int8 model for ${serving.device.id} was not made`, {
    details: { device: serving.device.id },
  })
}
