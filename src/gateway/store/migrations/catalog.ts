import { initial } from './001-initial.js'
import type { Migration } from './migration.js'

/** The steps of state.db, in order. */
export const migrations = [initial] as const satisfies readonly Migration[]
