import type { ModelRecord, VersionRecord } from './model.js'
import type { ModelSessions } from './model-sessions.js'
import type { StoredModel, StoredVersion } from './stored-model.js'

/** A model as the daemon has it in memory: what is stored, and what is open. */
export interface ModelEntry {
  stored: StoredModel
  state: 'loading' | 'ready' | 'failed'
  /** Why it is failed; '' otherwise. */
  why: string
  /** Why the active version does not answer from its device, so that a stand-in does; '' otherwise. */
  away: string
  readonly sessions: ModelSessions
}

export function recordOf({ stored, state, why, away }: ModelEntry): ModelRecord {
  const { name, bundle, manifest, inputs, outputs, versions, active, previous, pinned, note } = stored
  const shown = versions.map(publicVersion)
  const reason = [why, away, note].find(text => text !== '') ?? ''
  return { name, bundle, manifest, inputs, outputs, versions: shown, active, previous, pinned, state, why: reason }
}

export function publicVersion({ report: _, judgedOn: __, ...version }: StoredVersion): VersionRecord {
  return version
}
