import { errorMessage } from '../../errors.js'
import { logger } from '../../log.js'
import type { LiveSession } from './live-session.js'
import type { LoadedModels } from './loaded-models.js'
import type { ModelEntry } from './model-entry.js'
import type { StoredModel } from './stored-model.js'
import { findVersion } from './version-rules.js'

const log = logger('gateway/models')

/**
 * The version that answers while the device of the active one is gone: of those accepted on the `reference` device the one that takes the smallest share of
 * float's time, else float itself. Undefined where the active one runs on the reference, whose worker is waited for.
 */
export function standInOf(stored: Pick<StoredModel, 'versions' | 'active'>, reference: string): string | undefined {
  const active = stored.versions.find(({ version }) => version === stored.active)
  if (active === undefined || active.device === reference) return undefined
  const accepted = stored.versions.filter(
    ({ device, version, judgement, state }) =>
      device === reference && version !== '1' && state !== 'refused' && judgement?.verdict === 'accepted' && judgement.timing !== undefined,
  )
  return accepted.sort((a, b) => ratio(a) - ratio(b))[0]?.version ?? '1'
}

const ratio = ({ judgement }: StoredModel['versions'][number]): number => judgement?.timing?.ratio ?? 1

/** The open session that stands in: the best one, else float, else what there is on the reference device. */
export function openStandIn({ stored, sessions }: ModelEntry, reference: string): LiveSession | undefined {
  const best = standInOf(stored, reference)
  if (best === undefined) return undefined
  return sessions.get(best) ?? sessions.get('1') ?? sessions.all().find(({ device }) => device === reference)
}

/** Opens what will stand in for `active`, float where the best one does not open. Nothing to do where it runs on the reference. @throws what opening float throws */
export async function prepareStandIn(loaded: LoadedModels, entry: ModelEntry, active: string | undefined): Promise<void> {
  const best = standInOf({ ...entry.stored, active }, loaded.devices.reference.device.id)
  if (best === undefined) return
  if (best !== '1' && findVersion(entry.stored, best) !== undefined) {
    try {
      await loaded.open(entry, best)
      return
    } catch (error) {
      log.warn({ model: entry.stored.name, version: best, error: errorMessage(error) }, 'stand-in cannot be opened: float stands in')
    }
  }
  await loaded.open(entry, '1')
}
