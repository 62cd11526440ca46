import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { errorMessage, QuantdError } from '../../errors.js'
import { isMetricName } from './catalog.js'
import type { Item, Metric, MetricTally } from './metric.js'

/** True for what names a module rather than a metric of the catalog. */
export const isModuleName = (name: string): boolean => /\.m?js$/.test(name)

const plainFunction = z.custom<(...given: never[]) => unknown>(value => typeof value === 'function', 'expected a function')

/** What a metric module exports, as default or as `metric`. */
const ModuleMetric = z.object({
  name: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9._-]{0,63}$/)
    .refine(name => !isMetricName(name), 'a metric of the catalog has this name'),
  kind: z.enum(['share', 'rate', 'error']),
  needsLabels: z.boolean(),
  start: plainFunction,
})

const ModuleTally = z.object({ add: plainFunction, value: plainFunction })

/**
 * A metric of the user: the default export of a JavaScript module, or its export `metric`, of the shape `{ name, kind, needsLabels, start() }`. It runs with
 * all rights of this process: whoever calls this has made sure that the path comes from someone who may run code here.
 * @throws ERR_QUANT_METRIC_MODULE when it is missing, has another shape, or fails to load; the metric throws it when it throws or gives no number
 */
export async function loadMetricModule(path: string): Promise<Metric> {
  const refuse = (what: string, cause?: unknown): never => {
    throw new QuantdError('ERR_QUANT_METRIC_MODULE', `metric module '${path}': ${what}`, { details: { path }, cause })
  }
  const loaded = await importFile(path).catch(error => refuse(errorMessage(error), error))
  const exported = loaded.default ?? loaded.metric ?? refuse("it has neither a default export nor one called 'metric'")
  const { success, data, error } = ModuleMetric.safeParse(exported)
  if (!success) return refuse(problems(error))
  const { name, kind, needsLabels } = data
  const call = <T>(what: string, body: () => T): T => {
    try {
      return body()
    } catch (error) {
      return refuse(`${what} throws: ${errorMessage(error)}`, error)
    }
  }
  const number = (what: string, value: unknown): number => {
    if (typeof value !== 'number' || Number.isNaN(value)) refuse(`${what} gives ${describe(value)}, no number`)
    return value as number
  }
  return Object.freeze({
    name,
    kind,
    needsLabels,
    start(): MetricTally {
      // Methods keep the object that they were exported on.
      const tally = call('start', () => (exported as { start(): unknown }).start())
      const shape = ModuleTally.safeParse(tally)
      if (!shape.success) return refuse(`start gives no tally: ${problems(shape.error)}`)
      const { add, value } = bound(tally as MetricTally)
      return {
        add: item =>
          number(
            'add',
            call('add', () => add(item)),
          ),
        value() {
          const found = number('value', call('value', value))
          const inRange = found >= 0 && (kind !== 'share' || found <= 1 + 1e-9)
          return inRange ? found : refuse(`value gives ${found}; a ${kind} lies ${kind === 'share' ? 'between 0 and 1' : 'from 0 up'}`)
        },
      }
    },
  })
}

/** Node keeps a module for good under its address: the hash of the file in it makes a changed file another module. */
async function importFile(path: string): Promise<{ readonly default?: unknown; readonly metric?: unknown }> {
  const hash = createHash('sha256').update(readFileSync(path)).digest('hex')
  return await import(`${pathToFileURL(path).href}?${hash}`)
}

const bound = (tally: MetricTally) => ({ add: (item: Item): unknown => tally.add(item), value: (): unknown => tally.value() })

const problems = ({ issues }: z.ZodError) =>
  issues.map(({ path, message }) => `${path.map(String).join('.') || 'the export'}: ${message}`).join('; ')

const describe = (value: unknown) =>
  value instanceof Promise ? 'a promise' : value === null ? 'null' : typeof value === 'number' ? 'NaN' : typeof value
