import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { engineNamed } from '../../engines/catalog.js'
import type { Session } from '../../engines/engine.js'
import { errorCode, errorMessage, invariant, QuantdError } from '../../errors.js'
import { readModelFile } from '../../graph/ir/model-file.js'
import { packIr } from '../../graph/ir/packed-ir.js'
import type { OnProgress, QuantizeTarget, SharedRequest } from '../../quantization/contract.js'
import { parseCosts } from '../../quantization/costs/cost-table.js'
import { heldToCoverage } from '../../quantization/coverage.js'
import { judgedResult, judgeMade, type Made } from '../../quantization/judge-made.js'
import { makeForAll } from '../../quantization/pipeline.js'
import { preparedFloat } from '../../quantization/prepared-float.js'
import { Report } from '../../quantization/report/report.js'
import { type Bundle, readBundle } from '../../samples/bundle.js'
import { fileCheckpoint } from './file-checkpoint.js'
import { judgingOf, openPlace, writeTimingRequest } from './worker-samples.js'
import { type FormAnswer, type FormTask, type MadeForm, type MakeAnswer, type MakeTask, taskFiles } from './worker-task.js'

type Quantized = Extract<FormTask, { kind: 'quantized' }>

/** A form that is open and waits for the judge. */
interface Open {
  readonly form: FormTask
  readonly session: Session
  /** Of what was quantized. */
  readonly made?: Made
}

/**
 * Makes every form of the task, each into its folder, and judges all of them: one calibration run for what is quantized, one run over the held-out samples for
 * everything. A form that fails leaves the others to it.
 * @throws what the samples and the bundle throw, what float throws when it is judged
 */
export async function runMake(task: MakeTask, onProgress: OnProgress): Promise<MakeAnswer> {
  const bundle = await readBundle(task.bundle, { name: task.model })
  const request = await requestOf(task, bundle, onProgress)
  const answers = new Map<FormTask, FormAnswer>()
  const open: Open[] = []
  for (const form of await quantizeAll(task, request, answers)) open.push(form)
  for (const form of task.forms) {
    if (form.kind === 'quantized') continue
    try {
      const session = await openForm(form, bundle, request)
      if (session === undefined) answers.set(form, { kind: 'same' })
      else open.push({ form, session })
    } catch (error) {
      answers.set(form, failed(error))
    }
  }
  if (open.length > 0) await judgeAll(open, request, answers)
  return {
    forms: task.forms.map(form => answers.get(form)!),
    request: await writeTimingRequest(task, request.heldOut.count > 0 ? request.heldOut : request.samples),
  }
}

async function requestOf(task: MakeTask, bundle: Bundle, onProgress: OnProgress): Promise<SharedRequest> {
  const { model, bytes } = readModelFile(bundle.model.path)
  return {
    model,
    // What the registry knows the float version by.
    sha256: bundle.model.sha256,
    name: task.model,
    bytes,
    samples: await openPlace(task, task.calibration),
    heldOut: await openPlace(task, task.heldOut),
    judging: await judgingOf(bundle, task),
    settings: task.settings,
    engine: engineNamed(task.engine),
    onProgress,
  }
}

/** Quantizes for all forms that ask for it, and writes what came out; reports without a judgement. */
async function quantizeAll(task: MakeTask, request: SharedRequest, answers: Map<FormTask, FormAnswer>): Promise<readonly Open[]> {
  const forms: Quantized[] = []
  const targets: QuantizeTarget[] = []
  for (const form of task.forms) {
    if (form.kind !== 'quantized') continue
    try {
      targets.push(targetOf(form, task.engine))
      forms.push(form)
    } catch (error) {
      answers.set(form, failed(error))
    }
  }
  const outcomes = targets.length === 0 ? [] : await makeForAll(request, targets)
  return outcomes.flatMap((outcome, index): Open[] => {
    const form = forms[index]!
    if (outcome.kind === 'failed') {
      answers.set(form, failed(outcome.error))
      return []
    }
    const { bytes, ir, report, session } = outcome.made
    writeFileSync(join(form.folder, taskFiles.model), ir === undefined ? bytes : packIr(ir), { mode: 0o600 })
    writeReport(form, report)
    return [{ form, session, made: outcome.made }]
  })
}

/** @throws ERR_ENGINE_UNKNOWN, ERR_COSTS_FILE */
function targetOf({ spec, serving, costs, folder }: Quantized, reference: string): QuantizeTarget {
  return {
    spec,
    ...(serving.name === reference ? {} : { target: { engine: engineNamed(serving.name), options: serving.options } }),
    ...(costs === undefined ? {} : { costs: parseCosts(readFileSync(costs, 'utf8'), costs) }),
    checkpoint: fileCheckpoint(join(folder, taskFiles.checkpoint)),
  }
}

/** A form of a file that is there, or of the prepared model, open; undefined where that would be the same as the bundle's. @throws ERR_ENGINE_* */
async function openForm(
  form: Exclude<FormTask, Quantized>,
  bundle: Bundle,
  { settings, model }: SharedRequest,
): Promise<Session | undefined> {
  const options = { threads: settings.threads, ...form.serving.options }
  const engine = engineNamed(form.serving.name)
  switch (form.kind) {
    case 'float':
      return engine.open(bundle.model.path, options)
    case 'reopened': {
      const path = join(form.of, taskFiles.model)
      if (existsSync(path)) return engine.open(path, options)
      throw new QuantdError('ERR_ENGINE_OPEN', 'the int8 model that it opens was not made', { details: { engine: engine.name } })
    }
    case 'prepared': {
      const bytes = await preparedFloat(model, { engine, threads: settings.threads })
      if (bytes === undefined) return undefined
      const path = join(form.folder, taskFiles.model)
      writeFileSync(path, bytes, { mode: 0o600 })
      return engine.open(path, options)
    }
  }
}

/** Holds all of them to float's answers, writes the reports with what the judge says, and closes them. */
async function judgeAll(open: readonly Open[], request: SharedRequest, answers: Map<FormTask, FormAnswer>): Promise<void> {
  const quantized = open.filter(({ made }) => made !== undefined)
  const others = open.filter(({ made }) => made === undefined)
  try {
    const { outcomes, seconds } = await judgeMade(request, {
      made: quantized.map(({ form, made }) => ({
        ...made!,
        ...(form.serving.name === request.engine.name ? {} : { subject: form.subject }),
      })),
      others: others.map(({ form, session }) => ({ session, subject: form.subject })),
    })
    for (const [index, { form, made }] of [...quantized, ...others].entries()) {
      const outcome = outcomes[index]!
      if (outcome.kind === 'failed') answers.set(form, failed(outcome.error))
      else if (made === undefined) answers.set(form, judgedOther(form, outcome.judgement))
      else answers.set(form, judgedMade(form, judgedResult(made, outcome.judgement, index === 0 ? seconds : 0).report))
    }
  } finally {
    await Promise.all(open.map(({ session }) => session.close()))
  }
}

function judgedMade(form: FormTask, report: Report): MadeForm {
  writeReport(form, report)
  const { judgement, coverage, samples, accuracy_aware: aware } = report
  invariant(judgement !== undefined, 'it was judged')
  const quantized = { coverage, calibration: samples.calibration, heldOut: samples.held_out }
  return { kind: 'made', judgement, quantized: { ...quantized, ...(aware === undefined ? {} : { aware: aware.sentence }) } }
}

/** A file that is opened in another way keeps its report but for the judgement, and what that says of its coverage. */
function judgedOther(form: FormTask, judgement: MadeForm['judgement']): MadeForm {
  if (form.kind !== 'reopened') return { kind: 'made', judgement }
  const report = Report.parse(JSON.parse(readFileSync(join(form.of, taskFiles.report), 'utf8')))
  const held = heldToCoverage(judgement, report)
  writeReport(form, { ...report, judgement: held })
  return { kind: 'made', judgement: held }
}

const writeReport = ({ folder }: FormTask, report: Report): void =>
  writeFileSync(join(folder, taskFiles.report), JSON.stringify(report), { mode: 0o600 })

const failed = (error: unknown): FormAnswer => ({ kind: 'failed', code: errorCode(error), message: errorMessage(error) })
