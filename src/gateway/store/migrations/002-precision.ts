import { defineMigration } from './migration.js'

/** Float versions on engines with several types to compute in: `precision` names the type; NULL is what the engine takes by itself. */
export const precision = defineMigration({
  number: 2,
  what: 'precision',
  up(database) {
    database.exec(`ALTER TABLE versions ADD COLUMN precision TEXT CHECK (precision IN ('float32', 'bfloat16', 'float16'))`)
  },
})
