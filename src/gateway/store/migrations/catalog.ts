import { initial } from './001-initial.js'
import { precision } from './002-precision.js'
import type { Migration } from './migration.js'

/** The steps of state.db, in order. */
export const migrations = [initial, precision] as const satisfies readonly Migration[]
