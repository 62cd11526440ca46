import { createHash } from 'node:crypto'
import { z } from 'zod'
import { errorMessage, QuantdError } from '../../errors.js'

const Microseconds = z.number().min(0)

/** Elements and what converting that many takes, ascending. */
const Points = z.array(z.tuple([z.int().min(1), Microseconds])).min(1)

const Conversion = z.strictObject({
  enter: Points.describe('floats to codes'),
  leave: Points.describe('codes to floats'),
})

const Times = z.strictObject({ float_us: Microseconds, int8_us: Microseconds })

const Whole = z.strictObject({
  float_us: Microseconds.describe('as it is prepared for quantization'),
  int8_us: Microseconds.describe('by the built-in rules'),
  mixed_us: Microseconds.optional().describe('by the costs of its units; absent = those say all or nothing'),
  fastest: z.enum(['float', 'int8', 'mixed']),
})

/** Where costs were measured: they hold nowhere else. */
export const CostConditions = z.strictObject({
  engine: z.strictObject({ name: z.string(), version: z.string() }),
  processor: z.string().describe('model name of the CPU'),
  threads: z.int().min(1),
})
export type CostConditions = z.infer<typeof CostConditions>

/** Measured costs of operators in float and int8, and of converting between the two: an input of placement, kept as a file. */
export const CostTable = z.strictObject({
  version: z.literal(1),
  conditions: CostConditions,
  conversions: z.strictObject({
    planes: Conversion.describe('of pictures and their like, with what changes their layout'),
    rows: Conversion.describe('of all other tensors'),
  }),
  units: z.record(z.string(), Times).describe('by signature: operator, form, shapes, attributes'),
  models: z
    .record(z.string(), Whole)
    .describe('whole models, by the hash of their units: layouts between units cost what no single one shows'),
})
export type CostTable = z.infer<typeof CostTable>
export type CostPoints = z.infer<typeof Points>

/** The file of a table: units sorted, so that the same table has the same bytes. */
export function formatCosts(table: CostTable): string {
  return `${JSON.stringify({ ...table, units: sorted(table.units), models: sorted(table.models) }, undefined, 2)}\n`
}

const sorted = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))

/** @throws ERR_COSTS_FILE */
export function parseCosts(text: string, where: string): CostTable {
  try {
    return CostTable.parse(JSON.parse(text))
  } catch (cause) {
    throw new QuantdError('ERR_COSTS_FILE', `'${where}': ${errorMessage(cause)}`, { cause, details: { where } })
  }
}

/** sha256 of the table's file: what the report of a model that followed it names. */
export const hashCosts = (table: CostTable): string => createHash('sha256').update(formatCosts(table)).digest('hex')

/** Both tables in one, `newer` where both know a unit. @throws ERR_COSTS_OTHER_HOST */
export function mergeCosts(older: CostTable, newer: CostTable): CostTable {
  checkConditions(older, newer.conditions)
  return { ...newer, units: { ...older.units, ...newer.units }, models: { ...older.models, ...newer.models } }
}

/** @throws ERR_COSTS_OTHER_HOST */
export function checkConditions({ conditions }: CostTable, here: CostConditions): void {
  if (describe(conditions) === describe(here)) return
  throw new QuantdError('ERR_COSTS_OTHER_HOST', `costs: expected ${describe(here)}, found ${describe(conditions)}`, {
    details: { expected: here, found: conditions },
  })
}

const describe = ({ engine, processor, threads }: CostConditions) =>
  `${engine.name} ${engine.version} on ${processor} with ${threads} ${threads === 1 ? 'thread' : 'threads'}`
