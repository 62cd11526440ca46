import type { Device } from '../../hardware/device.js'
import type { StoredModel, StoredVersion } from './stored-model.js'
import { findVersion } from './version-rules.js'

/** Engine and processor as judgements name them: what an int8 model answers, and how fast, holds for these alone (DECISIONS, Judge). */
export function judgedOn({
  device,
  engine,
}: {
  readonly device: Device
  readonly engine: { readonly name: string; readonly version: string }
}): string {
  return `${engine.name} ${engine.version}, ${device.name} (${[...device.features].sort().join(' ')})`
}

/** The active int8 version, when it was judged elsewhere than on `here`. */
export function staleVersion(stored: StoredModel, here: string): StoredVersion | undefined {
  const active = stored.active === undefined ? undefined : findVersion(stored, stored.active)
  if (active?.kind !== 'int8' || active.judgedOn === undefined) return undefined
  return active.judgedOn === here ? undefined : active
}
