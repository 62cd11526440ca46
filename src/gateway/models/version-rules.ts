import { invariant } from '../../errors.js'
import type { Judgement } from '../../quantization/report/report.js'
import type { StoredModel, StoredVersion } from './stored-model.js'

/** int8 versions that are kept besides the active and the previous one. */
const keptVersions = 6

export function findVersion(model: StoredModel, version: string): StoredVersion | undefined {
  return model.versions.find(candidate => candidate.version === version)
}

/** `version` answers, what answered before stays ready to go back to, what was ready before that rests. */
export function withActive(model: StoredModel, version: string): StoredModel {
  invariant(findVersion(model, version) !== undefined, `model '${model.name}' has no version ${version}`)
  if (model.active === version) return model
  const previous = model.active
  return {
    ...model,
    active: version,
    previous,
    versions: model.versions.map(candidate => {
      if (candidate.version === version) return { ...candidate, state: 'active' }
      if (candidate.version === previous) return { ...candidate, state: 'previous' }
      return candidate.state === 'previous' ? { ...candidate, state: restState(candidate) } : candidate
    }),
  }
}

/** Adds a version under the next number. The oldest int8 versions that neither answer nor are `spared` go, so that a weekly job does not fill the disk. */
export function withVersion(
  model: StoredModel,
  fields: Omit<StoredVersion, 'version'>,
  { spared }: { readonly spared?: string | undefined } = {},
): { model: StoredModel; added: StoredVersion } {
  const last = Math.max(0, ...model.versions.map(({ version }) => Number(version)))
  const added: StoredVersion = { ...fields, version: String(last + 1) }
  const spare = model.versions.filter(
    ({ kind, state, version }) => kind === 'int8' && state !== 'active' && state !== 'previous' && version !== spared,
  )
  const gone = new Set(spare.slice(0, Math.max(0, spare.length + 1 - keptVersions)))
  return { model: { ...model, versions: [...model.versions.filter(version => !gone.has(version)), added] }, added }
}

/** Without floats that are what `added` was when other passes had made it, unless they answer or stand ready to. */
export function withoutOtherForms(model: StoredModel, added: StoredVersion): StoredModel {
  const bundled = findVersion(model, '1')?.artifact
  if (added.artifact === bundled) return model
  const isGone = ({ kind, device, precision, artifact, state }: StoredVersion) =>
    kind === 'float' &&
    device === added.device &&
    precision === added.precision &&
    artifact !== added.artifact &&
    artifact !== bundled &&
    state !== 'active' &&
    state !== 'previous'
  return { ...model, versions: model.versions.filter(version => !isGone(version)) }
}

/** Changes the fields of one version. */
export function withFields(model: StoredModel, version: string, fields: Partial<StoredVersion>): StoredModel {
  return {
    ...model,
    versions: model.versions.map(candidate => (candidate.version === version ? { ...candidate, ...fields } : candidate)),
  }
}

/** What a version is when it neither answers nor stands ready to. */
function restState({ judgement }: StoredVersion): 'refused' | 'retired' {
  return judgement?.verdict === 'refused' ? 'refused' : 'retired'
}

/** What a judgement makes of a version; one that answers or stands ready to keeps its state. */
export function judgedState({ state }: StoredVersion, { verdict }: Judgement): StoredVersion['state'] {
  if (state === 'active' || state === 'previous') return state
  if (verdict === 'refused') return 'refused'
  return state === 'refused' ? 'candidate' : state
}
