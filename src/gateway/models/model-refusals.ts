import { Refusal } from '../wire-errors.js'
import type { ModelEntry } from './model-entry.js'
import type { StoredModel, StoredVersion } from './stored-model.js'
import { findVersion } from './version-rules.js'

/** @throws Refusal VERSION_NOT_FOUND */
export function requireVersion(stored: StoredModel, version: string): StoredVersion {
  const found = findVersion(stored, version)
  if (found !== undefined) return found
  throw new Refusal('VERSION_NOT_FOUND', 'ERR_MODEL_VERSION', `model '${stored.name}' has no version ${version}`, {
    details: { model: stored.name, version, versions: stored.versions.map(candidate => candidate.version) },
  })
}

/** A version that exists, but is neither active nor previous. */
export function notOpen({ stored, sessions }: ModelEntry, version: string | undefined): Refusal {
  const open = sessions.versions
  return new Refusal(
    'VERSION_NOT_FOUND',
    'ERR_MODEL_VERSION',
    `model '${stored.name}' version ${version} is not open: ${open.join(' and ')} answer`,
    {
      details: { model: stored.name, version, open },
    },
  )
}

export function notReady({ stored, state, why }: ModelEntry): Refusal {
  return new Refusal('NOT_READY', 'ERR_MODEL_NOT_READY', `model '${stored.name}' is ${state}${why === '' ? '' : `: ${why}`}`, {
    details: { model: stored.name, state },
    retryAfterMs: 1_000,
  })
}

export function refusedVersion(model: string, { version, judgement }: StoredVersion): Refusal {
  return new Refusal(
    'CONFLICT',
    'ERR_MODEL_REFUSED',
    `model '${model}' version ${version} was refused: ${judgement?.sentence ?? 'no reason kept'}`,
    {
      details: { model, version },
    },
  )
}

/** A version that was made of another float model: the bundle was replaced meanwhile. @param sha256 of that one */
export function otherModel(model: string, sha256: string): Refusal {
  return new Refusal(
    'CONFLICT',
    'ERR_MODEL_CHANGED',
    `model '${model}': its bundle was replaced while the version was made: quantize it again`,
    {
      details: { model, sha256 },
    },
  )
}
