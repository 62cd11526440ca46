import { errorCode, errorMessage } from '../../errors.js'
import { logger } from '../../log.js'
import { judgedOn, staleVersion } from './judged-on.js'
import type { LoadedModels } from './loaded-models.js'
import { type ModelEntry, recordOf } from './model-entry.js'
import { requireVersion } from './model-refusals.js'
import { openStandIn, prepareStandIn } from './stand-in.js'
import { withActive, withFields } from './version-rules.js'

const log = logger('gateway/models')

/** Opens what was active when the daemon last ran; never throws for one model. @returns the models whose active version is away from its device */
export async function restore(loaded: LoadedModels): Promise<readonly string[]> {
  for (const stored of loaded.table.all()) loaded.put(loaded.newEntry(stored))
  await loaded.collect('all')
  const names = loaded.all().map(({ stored }) => stored.name)
  for (const name of names) await loaded.alone(name, () => openServing(loaded, loaded.get(name)))
  for (const { stored, state } of loaded.all()) {
    const { name, previous } = stored
    if (state !== 'ready' || previous === undefined) continue
    await loaded
      .alone(name, () => loaded.open(loaded.get(name), previous))
      .catch(error => log.warn({ model: name, version: previous, error: errorMessage(error) }, 'previous version cannot be opened'))
  }
  return names.filter(name => loaded.find(name)?.away !== '')
}

/**
 * Opens what a model needs to answer, for whoever is alone with it: the active version and, where that runs on another device than the reference, what stands
 * in for it. A device that is gone or an engine that refuses leaves the stand-in answering (`away` says why); a damaged int8 falls back to float for good.
 */
export async function openServing(loaded: LoadedModels, entry: ModelEntry): Promise<void> {
  const active = entry.stored.active ?? '1'
  try {
    await prepareStandIn(loaded, entry, active)
  } catch (error) {
    return fail(loaded, entry, error)
  }
  try {
    await loaded.open(entry, active)
    entry.away = ''
  } catch (error) {
    if (active === '1') return fail(loaded, entry, error)
    const standIn = errorCode(error) === 'ERR_STORE_ARTIFACT' ? undefined : openStandIn(entry, loaded.devices.reference.device.id)
    if (standIn !== undefined) {
      entry.away = `version ${active} cannot be opened on ${requireVersion(entry.stored, active).device} (${errorMessage(error)}): version ${standIn.version} answers`
      log.warn({ model: entry.stored.name, version: active, standIn: standIn.version, error: errorMessage(error) }, 'a stand-in answers')
    } else if (!(await fallToFloat(loaded, entry, { active, error }))) return
  }
  entry.state = 'ready'
  noteStale(loaded, entry)
  loaded.emit({ kind: 'changed', model: recordOf(entry) })
}

/** @returns false when float cannot be opened either */
async function fallToFloat(
  loaded: LoadedModels,
  entry: ModelEntry,
  { active, error }: { readonly active: string; readonly error: unknown },
): Promise<boolean> {
  log.error(
    { model: entry.stored.name, version: active, error: errorMessage(error) },
    'active version cannot be opened: falling back to float',
  )
  try {
    await loaded.open(entry, '1')
  } catch (worse) {
    fail(loaded, entry, worse)
    return false
  }
  const note = `version ${active} cannot be opened (${errorMessage(error)}): float answers`
  const fallen = withFields(withActive(entry.stored, '1'), active, { state: 'retired' })
  loaded.saveLater(entry, { ...fallen, previous: undefined, pinned: false, note })
  entry.away = ''
  return true
}

/** DECISIONS, Judge: after an upgrade of the engine or a change of the processor a judgement no longer holds. */
function noteStale(loaded: LoadedModels, entry: ModelEntry): void {
  const stale = staleVersion(entry.stored, loaded.devices)
  const serving = stale === undefined ? undefined : loaded.devices.get(stale.device)
  if (stale === undefined || serving === undefined) return
  const note = `version ${stale.version} was judged on ${stale.judgedOn}, this is ${judgedOn(serving)}: to be judged again`
  if (note === entry.stored.note) return
  log.warn({ model: entry.stored.name, version: stale.version, judgedOn: stale.judgedOn }, 'judgement no longer holds')
  loaded.saveLater(entry, { ...entry.stored, note })
}

function fail(loaded: LoadedModels, entry: ModelEntry, error: unknown): void {
  entry.state = 'failed'
  entry.why = errorMessage(error)
  log.error({ model: entry.stored.name, error: entry.why }, 'model cannot be opened')
  loaded.emit({ kind: 'changed', model: recordOf(entry) })
}
