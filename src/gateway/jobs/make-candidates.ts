import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type ErrorCode, errorCode, errorMessage, QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import type { Models, VersionRecord } from '../models/model.js'
import { type CandidateForm, formName } from './candidate-form.js'
import { type FormGroup, formTask, groupByEnvironment } from './form-tasks.js'
import type { JobContext } from './job-kind.js'
import { askJobWorker, type WorkerSettings } from './job-worker.js'
import { partProgress } from './progress.js'
import { type FormAnswer, type MadeForm, type MakeTask, type TimingRequest, taskFiles } from './worker-task.js'

const log = logger('gateway/jobs')

/** What the tasks of all forms have in common. */
export type SharedTask = Omit<MakeTask, 'do' | 'forms' | 'env' | 'folder'>

export interface MakeCandidates {
  readonly forms: readonly CandidateForm[]
  readonly task: SharedTask
  readonly models: Models
  /** Hash of the bundle's model file when the job began. */
  readonly of: string
  readonly settings: WorkerSettings
  /** Table of measured costs, for the form whose engine it was measured on. */
  readonly costs: (engine: string) => { readonly costs?: string }
}

/** A version that is in the store, judged by its accuracy alone so far. */
export interface Candidate {
  readonly form: CandidateForm
  readonly version: VersionRecord
  readonly made: MadeForm
  readonly request: TimingRequest | undefined
  /** How often the worker that made it had to be started. */
  readonly starts: 1 | 2
}

/** A form that did not become a version, and why. */
export interface FailedCandidate {
  readonly form: CandidateForm
  readonly code: ErrorCode
  readonly why: string
}

export interface Candidates {
  readonly made: readonly Candidate[]
  readonly failed: readonly FailedCandidate[]
}

/** A form with what the worker says of it. */
interface Answered {
  readonly form: CandidateForm
  readonly answer: FormAnswer
  readonly request: TimingRequest | undefined
  readonly starts: 1 | 2
}

/**
 * Makes all forms of the model in one job worker, from one calibration run, judges their accuracy there on the engines that will serve them, and puts them
 * into the store. Where the worker dies of it, by the library of an engine or by its memory limit, each form is made by itself, so that the one at fault costs
 * the others time and nothing else. What would be the same as float's own file is left out.
 * @throws the first failure, where nothing was made; ERR_ABORTED
 */
export async function makeCandidates(making: MakeCandidates, context: JobContext): Promise<Candidates> {
  const groups = groupByEnvironment(making.forms)
  const made: Candidate[] = []
  const failed: FailedCandidate[] = []
  for (const [index, group] of groups.entries()) {
    const update = partProgress(context.update, { index, count: groups.length })
    for (const answered of await askForGroup(group, making, { ...context, update })) {
      const { form, answer, request, starts } = answered
      if (answer.kind === 'made')
        made.push({ form, made: answer, request, starts, version: await store(form, answer, { making, context }) })
      if (answer.kind === 'failed') failed.push({ form, code: answer.code, why: `${answer.code}: ${answer.message}` })
    }
  }
  for (const { form, code, why } of failed)
    log.warn({ job: context.job.job_id, form: formName(form), code, error: why }, 'candidate not made')
  if (made.length > 0) return { made, failed }
  const [first] = failed
  throw new QuantdError(first!.code, first!.why.slice(first!.code.length + 2))
}

/** All of them from one worker, or each from one of its own where that was lost. */
async function askForGroup(group: FormGroup, making: MakeCandidates, context: JobContext): Promise<readonly Answered[]> {
  try {
    return await ask(group, making, context)
  } catch (error) {
    context.signal.throwIfAborted()
    const { forms } = group
    if (forms.length === 1 || !isLost(error)) return forms.map(form => failedBy(form, error))
    log.warn(
      { job: context.job.job_id, forms: forms.map(formName), code: errorCode(error), error: errorMessage(error) },
      'job worker lost with several forms: each is made by itself',
    )
  }
  const answered: Answered[] = []
  for (const [index, form] of group.forms.entries()) {
    const update = partProgress(context.update, { index, count: group.forms.length })
    try {
      answered.push(...(await ask({ forms: [form], env: form.serving.env }, making, { ...context, update })))
    } catch (error) {
      context.signal.throwIfAborted()
      answered.push(failedBy(form, error))
    }
  }
  return answered
}

/** The process went down with whatever it was doing: another form may be to blame than the one that asks. */
const isLost = (error: unknown): boolean => ['ERR_WORKER_GONE', 'ERR_WORKER_MEMORY'].includes(errorCode(error))

const failedBy = (form: CandidateForm, error: unknown): Answered => ({
  form,
  answer: { kind: 'failed', code: errorCode(error), message: errorMessage(error) },
  request: undefined,
  starts: 1,
})

async function ask(
  { forms, env }: FormGroup,
  { task, settings, costs }: MakeCandidates,
  context: JobContext,
): Promise<readonly Answered[]> {
  const { folder } = context
  const tasks = forms.map(form => formTask(form, { folder, costs }))
  for (const form of tasks) await mkdir(form.folder, { recursive: true, mode: 0o700 })
  const { forms: answers, request, starts } = await askJobWorker({ ...task, do: 'make', forms: tasks, env, folder }, context, settings)
  context.signal.throwIfAborted()
  return forms.map((form, index) => ({ form, answer: answers[index]!, request, starts }))
}

/** Puts what is in the form's folder into the store. @throws ERR_STORE_FULL; Refusal NOT_READY when the device left meanwhile */
async function store(
  form: CandidateForm,
  { judgement }: MadeForm,
  { making, context }: { readonly making: MakeCandidates; readonly context: JobContext },
): Promise<VersionRecord> {
  const { task, models, costs, of } = making
  const { folder, ...told } = formTask(form, { folder: context.folder, costs })
  const device = form.serving.device.id
  const model = join(told.kind === 'reopened' ? told.of : folder, taskFiles.model)
  if (form.kind === 'float') return models.addFloat(task.model, { device, precision: form.precision, judgement, of })
  if (form.kind === 'prepared') return models.addFloat(task.model, { device, precision: form.precision, judgement, of, model })
  const report = join(folder, taskFiles.report)
  return models.addVersion(task.model, {
    model,
    report,
    device,
    ...(form.precision === undefined ? {} : { precision: form.precision }),
  })
}
