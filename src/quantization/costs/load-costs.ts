import { readFileSync } from 'node:fs'
import type { Engine } from '../../engines/engine.js'
import { errorMessage, QuantdError } from '../../errors.js'
import { probeCpu } from '../../hardware/cpu/probe.js'
import { type CostConditions, type CostTable, parseCosts } from './cost-table.js'

/** Name of the table in the state directory of the daemon. */
export const costsFile = 'costs.json'

/** @throws ERR_COSTS_FILE */
export function loadCosts(path: string): CostTable {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new QuantdError('ERR_COSTS_FILE', `'${path}': ${errorMessage(cause)}`, { cause, details: { path } })
  }
  return parseCosts(text, path)
}

/** What costs that are measured here and now hold for. */
export const conditionsHere = ({ name, version }: Engine, threads: number): CostConditions => ({
  engine: { name, version: version() },
  processor: probeCpu().name,
  threads,
})
