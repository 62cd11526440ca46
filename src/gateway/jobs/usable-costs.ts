import { existsSync } from 'node:fs'
import { engineNamed } from '../../engines/catalog.js'
import { QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import { checkConditions } from '../../quantization/costs/cost-table.js'
import { conditionsHere, loadCosts } from '../../quantization/costs/load-costs.js'

const log = logger('gateway/jobs')

/** The table at `path` if there is one and it was measured on this host with this engine; else the built-in rules place, and a warning says why. */
export function usableCosts(path: string | undefined, engine: string): { readonly costs?: string } {
  if (path === undefined || !existsSync(path)) return {}
  try {
    checkConditions(loadCosts(path), conditionsHere(engineNamed(engine), 1))
    return { costs: path }
  } catch (error) {
    if (!(error instanceof QuantdError)) throw error
    log.warn({ path, code: error.code, reason: error.message }, 'measured costs are not followed')
    return {}
  }
}
