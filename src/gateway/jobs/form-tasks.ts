import { join } from 'node:path'
import { engineOptions } from '../models/serving-devices.js'
import { type CandidateForm, formName, formPrecision } from './candidate-form.js'
import type { FormTask } from './worker-task.js'

export interface FormTaskOptions {
  /** The job's own folder. */
  readonly folder: string
  /** Table of measured costs, for the form whose engine it was measured on. */
  readonly costs: (engine: string) => { readonly costs?: string }
}

/** A form as the worker is told of it: files and engines. */
export function formTask(form: CandidateForm, { folder, costs }: FormTaskOptions): FormTask {
  const { serving, precision } = form
  const { engine, spec } = serving
  const fields = {
    serving: { name: engine.name, options: engineOptions(serving, precision) },
    subject: formName(form),
    folder: folderOf(form, folder),
  }
  if (form.kind !== 'int8') return { ...fields, kind: form.kind }
  if (form.precision === undefined) return { ...fields, kind: 'quantized', spec, ...costs(engine.name) }
  return { ...fields, kind: 'reopened', of: folderOf({ kind: 'int8', serving }, folder) }
}

function folderOf(form: CandidateForm, folder: string): string {
  const prepared = form.kind === 'prepared' ? '-prepared' : ''
  return join(folder, `${form.serving.device.id}-${formPrecision(form)}${prepared}`)
}

/** Forms that one process can make: no two of them want something else of its environment. */
export interface FormGroup {
  readonly forms: readonly CandidateForm[]
  readonly env: Readonly<Record<string, string>>
}

/** As few groups as the environments of the devices allow, in the order of their first forms. */
export function groupByEnvironment(forms: readonly CandidateForm[]): readonly FormGroup[] {
  const groups: { forms: CandidateForm[]; env: Record<string, string> }[] = []
  for (const form of forms) {
    const { env } = form.serving
    const fits = groups.find(group => Object.entries(env).every(([name, value]) => (group.env[name] ?? value) === value))
    if (fits === undefined) groups.push({ forms: [form], env: { ...env } })
    else {
      fits.forms.push(form)
      Object.assign(fits.env, env)
    }
  }
  return groups
}
