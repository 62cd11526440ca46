import type { DeviceWorker } from '../../engines/worker/device-worker.js'
import { errorMessage } from '../../errors.js'
import { logger } from '../../log.js'
import { staleVersion } from './judged-on.js'
import type { LoadedModels } from './loaded-models.js'
import { type ModelEntry, recordOf } from './model-entry.js'
import { withActive, withFields } from './version-rules.js'

const log = logger('gateway/models')

const statsLimitMs = 30_000

/** Opens what was active when the daemon last ran, `here` being engine and processor of this run; a damaged int8 falls back to float and says so. Never throws for one model. */
export async function restore(loaded: LoadedModels, here: string): Promise<void> {
  for (const stored of loaded.table.all()) loaded.put(loaded.newEntry(stored))
  await loaded.collect('all')
  const names = loaded.all().map(({ stored }) => stored.name)
  for (const name of names) await loaded.alone(name, () => restoreModel(loaded, loaded.get(name), here))
  for (const { stored, state } of loaded.all()) {
    const { name, previous } = stored
    if (state !== 'ready' || previous === undefined) continue
    await loaded
      .alone(name, () => loaded.open(loaded.get(name), previous))
      .catch(error => log.warn({ model: name, version: previous, error: errorMessage(error) }, 'previous version cannot be opened'))
  }
}

/** After a loss of the worker: what its new process could not open again is opened here, or makes way for float. */
export async function reopenLost(
  loaded: LoadedModels,
  { worker, here }: { readonly worker: DeviceWorker; readonly here: string },
): Promise<void> {
  try {
    const { meta } = await worker.call('stats', {}, { timeoutMs: statsLimitMs })
    for (const entry of loaded.all()) {
      const { name } = entry.stored
      await loaded.alone(name, async () => {
        const lost = entry.sessions.forgetAllBut(meta.keys)
        if (lost.length > 0) log.warn({ model: name, versions: lost }, 'versions were not open any more after a loss of their worker')
        if (entry.stored.active !== undefined && lost.includes(entry.stored.active)) await restoreModel(loaded, entry, here)
      })
    }
  } catch (error) {
    // The worker is lost again, or closing: the next process brings the next event.
    log.warn({ error: errorMessage(error) }, 'sessions not compared with their worker')
  }
}

async function restoreModel(loaded: LoadedModels, entry: ModelEntry, here: string): Promise<void> {
  const { name, active = '1' } = entry.stored
  try {
    await loaded.open(entry, active)
  } catch (error) {
    if (active === '1') return fail(loaded, entry, error)
    log.error({ model: name, version: active, error: errorMessage(error) }, 'active version cannot be opened: falling back to float')
    try {
      await loaded.open(entry, '1')
    } catch (worse) {
      return fail(loaded, entry, worse)
    }
    const note = `version ${active} cannot be opened (${errorMessage(error)}): float answers`
    const fallen = withFields(withActive(entry.stored, '1'), active, { state: 'retired' })
    loaded.saveLater(entry, { ...fallen, previous: undefined, pinned: false, note })
  }
  entry.state = 'ready'
  noteStale(loaded, entry, here)
  loaded.emit({ kind: 'changed', model: recordOf(entry) })
}

/** DECISIONS, Judge: after an upgrade of the engine or a change of the processor a judgement no longer holds. */
function noteStale(loaded: LoadedModels, entry: ModelEntry, here: string): void {
  const stale = staleVersion(entry.stored, here)
  if (stale === undefined) return
  const note = `version ${stale.version} was judged on ${stale.judgedOn}, this is ${here}: to be judged again`
  log.warn({ model: entry.stored.name, version: stale.version, judgedOn: stale.judgedOn }, 'judgement no longer holds')
  loaded.saveLater(entry, { ...entry.stored, note })
}

function fail(loaded: LoadedModels, entry: ModelEntry, error: unknown): void {
  entry.state = 'failed'
  entry.why = errorMessage(error)
  log.error({ model: entry.stored.name, error: entry.why }, 'model cannot be opened')
  loaded.emit({ kind: 'changed', model: recordOf(entry) })
}
