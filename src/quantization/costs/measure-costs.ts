import type { Engine, Profile, Session } from '../../engines/engine.js'
import { QuantdError } from '../../errors.js'
import type { Graph, Model } from '../../graph/graph.js'
import type { Node } from '../../graph/node.js'
import { writeModel } from '../../graph/onnx/write.js'
import { constantData, type Tensor } from '../../graph/tensor/tensor.js'
import type { Clock } from '../../time.js'
import type { ActivationParameters } from '../algorithms/assign-parameters.js'
import { quantizeWeights } from '../algorithms/quantize-weights.js'
import type { Codes } from '../lowering/emitter.js'
import { lower } from '../lowering/lower.js'
import type { MeasuredCosts, UnitTimes } from '../placement/measured-costs.js'
import { place } from '../placement/place.js'
import type { Placement } from '../placement/placement.js'
import { scanUnits } from '../placement/scan-units.js'
import type { Shapes } from '../placement/shapes.js'
import type { Unit } from '../placement/unit.js'
import { measureConversions } from './conversion-costs.js'
import type { CostPoints, CostTable } from './cost-table.js'
import { modelSignature, signatureOf } from './signature.js'
import { tableCosts } from './table-costs.js'
import { unitTimes } from './unit-times.js'

export interface MeasureCostsOptions {
  /** As it was prepared for quantization. */
  readonly model: Model
  readonly shapes: Shapes
  /** One sample. */
  readonly inputs: Readonly<Record<string, Tensor>>
  /** Operators that the device takes in int8. */
  readonly ops: ReadonlySet<string>
  readonly activationCodes: Codes
  readonly weightRange: 'full' | 'half'
  readonly engine: Engine
  /** Model name of the CPU. */
  readonly processor: string
  readonly threads: number
  /** Runs that count, of each model. */
  readonly runs: number
  readonly clock: Pick<Clock, 'now'>
  /** How much of a mix must be integer (`MeasuredCosts.floorOf`). */
  readonly floorOf: MeasuredCosts['floorOf']
}

/** Times that a mixed placement is made, run and its costs corrected. */
const mostRounds = 4
/** A mixed model or int8 is the fastest only at this share of float's time or below (DECISIONS, Judge). */
const fasterShare = 0.97

/**
 * Runs the float model and its int8 form in turn on the engine and tells what each unit takes in either, and what converting takes; then runs the mix that
 * follows from it, in which layouts may cost more than any unit showed alone, and corrects what turned out dearer. How long an operator takes does not hang on
 * its values, so any scale will do and no sample is calibrated on.
 * @throws ERR_ENGINE_UNKNOWN for an engine that cannot tell times, ERR_ENGINE_*
 */
export async function measureCosts(options: MeasureCostsOptions): Promise<CostTable> {
  const { model, shapes, inputs, engine, processor, threads, runs } = options
  const { profile } = engine
  if (profile === undefined) throw new QuantdError('ERR_ENGINE_UNKNOWN', `engine '${engine.name}' does not tell what operators take`)
  const { graph } = model
  const placement = placedWith(options)
  const float = writeModel(model)
  const int8 = writeModel(lowered(options, placement))
  const [floatProfile, int8Profile] = await profile([float, int8], { inputs, threads, runs })
  const times = unitTimes({ graph, placement, float: floatProfile!, int8: int8Profile! })
  let table: CostTable = {
    version: 1,
    conditions: { engine: { name: engine.name, version: engine.version() }, processor, threads },
    conversions: await measureConversions(profile, { threads, runs }),
    units: meanTimes(options, times),
    models: {},
  }
  const mixes: { table: CostTable; bytes: Uint8Array }[] = []
  for (let round = 0; round < mostRounds; round += 1) {
    const mixed = placedWith(options, table)
    if (mixed.units.size === 0 || mixed.units.size === placement.units.size) break
    const bytes = writeModel(lowered(options, mixed))
    mixes.push({ table, bytes })
    const [seen] = await profile([bytes], { inputs, threads, runs })
    const corrected = corrections(options, { table, full: placement, mixed, float: floatProfile!, seen: seen! })
    if (corrected === undefined) break
    table = corrected
  }
  const [floatUs, int8Us, ...mixedUs] = await medianTimes(options, [float, int8, ...mixes.map(({ bytes }) => bytes)])
  const best = mixedUs.length === 0 ? undefined : mixes[mixedUs.indexOf(Math.min(...mixedUs))]
  const mixed = best === undefined ? undefined : Math.min(...mixedUs)
  const limit = floatUs! * fasterShare
  const fastest = mixed !== undefined && mixed < int8Us! && mixed <= limit ? 'mixed' : int8Us! <= limit ? 'int8' : 'float'
  const whole = {
    float_us: round2(floatUs!),
    int8_us: round2(int8Us!),
    ...(mixed === undefined ? {} : { mixed_us: round2(mixed) }),
    fastest,
  } as const
  return { ...(best?.table ?? table), models: { [modelSignature(graph, shapes, scanUnits(graph, shapes).values())]: whole } }
}

function placedWith({ model, shapes, ops, weightRange, floorOf }: MeasureCostsOptions, table?: CostTable): Placement {
  const { graph } = model
  const costs = table === undefined ? {} : { costs: tableCosts(table, { graph, shapes, floorOf }) }
  return place({ graph, shapes, keepFloat: new Map(), ops, weightRange, ...costs })
}

/** By signature, the mean over the units alike. */
function meanTimes({ model, shapes }: MeasureCostsOptions, times: ReadonlyMap<Unit, UnitTimes>): CostTable['units'] {
  const sums = new Map<string, { float: number; int8: number; count: number }>()
  for (const [unit, { float, int8 }] of times) {
    const signature = signatureOf(model.graph, shapes, unit)
    const before = sums.get(signature) ?? { float: 0, int8: 0, count: 0 }
    sums.set(signature, { float: before.float + float, int8: before.int8 + int8, count: before.count + 1 })
  }
  return Object.fromEntries(
    [...sums].map(([signature, { float, int8, count }]) => [signature, { float_us: round2(float / count), int8_us: round2(int8 / count) }]),
  )
}

interface Seen {
  readonly table: CostTable
  /** Every unit that may be int8. */
  readonly full: Placement
  readonly mixed: Placement
  readonly float: Profile
  /** Of the mixed model. */
  readonly seen: Profile
}

/** How much dearer the mix must be than the table says for a cost to be corrected: below that it is noise. */
const dearerShare = 1.25
const dearerUs = 2
/** Most that conversions may be corrected at a time. */
const mostDearer = 4

/**
 * The table with what the mix made dearer: int8 times of units (a layout that only all of them together had), and conversions, which stand for all that no unit
 * accounts for. Undefined where the mix took what the table said.
 */
function corrections({ model, shapes, floorOf }: MeasureCostsOptions, { table, full, mixed, float, seen }: Seen): CostTable | undefined {
  const { graph } = model
  const costs = tableCosts(table, { graph, shapes, floorOf })
  const times = unitTimes({ graph, placement: mixed, float, int8: seen })
  const units = { ...table.units }
  let count = 0
  let explained = sum(float.operators.map(({ us }) => us))
  for (const [node, unit] of full.units) {
    const known = costs.timesOf(unit) ?? { float: 0, int8: 0 }
    const int8 = mixed.units.has(node) ? (times.get(mixed.units.get(node)!)?.int8 ?? known.int8) : undefined
    explained += (int8 ?? known.float) - known.float
    if (int8 === undefined || int8 < Math.max(known.int8 * dearerShare, known.int8 + dearerUs)) continue
    const signature = signatureOf(graph, shapes, unit)
    if (units[signature] === undefined) continue
    units[signature] = { ...units[signature], int8_us: round2(int8) }
    count += 1
  }
  const left = sum(seen.operators.map(({ us }) => us)) - explained
  const factor = Math.min(mostDearer, left / Math.max(conversionsOf(graph, mixed, costs), 1))
  if (count === 0 && factor < dearerShare) return undefined
  const scaled = (points: CostPoints): CostPoints => points.map(([elements, us]) => [elements, round2(us * Math.max(1, factor))])
  const { planes, rows } = table.conversions
  const conversions = {
    planes: { enter: scaled(planes.enter), leave: scaled(planes.leave) },
    rows: { enter: scaled(rows.enter), leave: scaled(rows.leave) },
  }
  return { ...table, units, conversions }
}

/** What the table says that the conversions of a placement take. */
function conversionsOf(graph: Graph, { units, quantizers }: Placement, costs: MeasuredCosts): number {
  let total = 0
  const readsCodes = (node: Node, value: string) => units.get(node)?.data.includes(value) === true
  for (const { value, at } of quantizers.values()) {
    if (at === 'entering') total += costs.enter(value)
    else if (graph.isOutput(value) || graph.consumers(value).some(node => !readsCodes(node, value))) total += costs.leave(value)
  }
  return total
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

/** Microseconds of whole models, run in turn without tracing. */
async function medianTimes(
  { engine, inputs, threads, runs, clock }: MeasureCostsOptions,
  artifacts: readonly Uint8Array[],
): Promise<number[]> {
  const sessions: Session[] = []
  try {
    for (const bytes of artifacts) sessions.push(await engine.open(bytes, { threads, optimization: 'all' }))
    const times: number[][] = sessions.map(() => [])
    for (let run = 0; run < warmUpRuns + runs; run += 1) {
      const order = sessions.map((_, at) => at)
      for (const at of run % 2 === 0 ? order : order.reverse()) {
        const session = sessions[at]!
        const feeds = Object.fromEntries(session.inputs.map(({ name }) => [name, inputs[name]!]))
        const start = clock.now()
        await session.infer(feeds)
        if (run >= warmUpRuns) times[at]!.push((clock.now() - start) * 1000)
      }
    }
    return times.map(list => list.sort((a, b) => a - b)[list.length >> 1]!)
  } finally {
    await Promise.all(sessions.map(session => session.close()))
  }
}

/** Runs before the first that counts. */
const warmUpRuns = 5

const round2 = (us: number) => Math.round(us * 100) / 100

/** The model in int8 with one scale for everything. */
function lowered({ model, shapes, weightRange, activationCodes }: MeasureCostsOptions, placement: Placement): Model {
  const parameters = new Map([...placement.quantizers].map(([value, quantizer]) => [value, anyParameters(quantizer.fixed)] as const))
  const linear = [...placement.units.values()].filter(({ form }) => form === 'linear')
  const weights = new Map(linear.map(unit => [unit.main, quantizeWeights(model.graph, unit, weightRange)]))
  const biases = new Map(
    linear.flatMap(({ main, bias }) =>
      bias === undefined ? [] : [[main, Float64Array.from(constantData(model.graph.constant(bias)!) as Float32Array)] as const],
    ),
  )
  return lower({ model, shapes, placement, parameters, weights, biases, activationCodes })
}

function anyParameters(fixed: ActivationParameters['quantize'] | undefined): ActivationParameters {
  const affine = fixed ?? { scale: Math.fround(1 / 32), zeroPoint: 128 }
  return { quantize: affine, dequantize: affine, range: { low: -4, high: 4 }, estimator: 'fixed', offset: 0 }
}
