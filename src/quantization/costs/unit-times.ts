import type { Profile } from '../../engines/engine.js'
import type { Graph } from '../../graph/graph.js'
import { isOp, type Node } from '../../graph/node.js'
import type { UnitTimes } from '../placement/measured-costs.js'
import type { Placement } from '../placement/placement.js'
import type { Unit } from '../placement/unit.js'

export interface UnitTimesOptions {
  /** The float model as candidates are made of it. */
  readonly graph: Graph
  readonly placement: Placement
  readonly float: Profile
  readonly int8: Profile
}

/**
 * What each unit takes in float and in int8, from profiles of the two whole models: operators are found by the names that the engine left them, or by those of
 * their results, and what only changes a layout counts for the operator that it serves. Units of which one form was not found are left out.
 */
export function unitTimes({ graph, placement, float, int8 }: UnitTimesOptions): Map<Unit, UnitTimes> {
  const units = [...placement.units.values()]
  const floatTimes = attribute(float, new Owners(graph, units))
  const int8Times = attribute(int8, new Owners(graph, units))
  moveFusedSums(floatTimes, units)
  return new Map(
    units.flatMap(unit => {
      const times = { float: floatTimes.get(unit) ?? 0, int8: int8Times.get(unit) ?? 0 }
      // A product takes time in both forms: 0 means that it was not found under its name.
      const found = unit.form !== 'linear' || (times.float > 0 && times.int8 > 0)
      return found ? [[unit, times] as const] : []
    }),
  )
}

/** Who an operator of an optimized graph works for. */
class Owners {
  readonly #graph: Graph
  readonly #byNode: ReadonlyMap<string, Unit>

  constructor(graph: Graph, units: readonly Unit[]) {
    this.#graph = graph
    this.#byNode = new Map(units.flatMap(unit => [unit.main, ...unit.folded].map(node => [node.name, unit] as const)))
  }

  /** By the name of the node or of its result, without what the engine and the lowering appended; by its reader where both are made up. */
  of(optimized: Graph, node: Node): Unit | undefined {
    const reader = () => {
      const next = optimized.soleConsumer(node.outputs[0]!)
      return next === undefined || isConversion(next) ? undefined : this.#named(next)
    }
    return this.#named(node) ?? (isMadeUp(node.name) ? reader() : undefined)
  }

  #named(node: Node): Unit | undefined {
    return this.#byName(node.name) ?? (isMadeUp(node.name) ? this.#byName(node.outputs[0]!) : undefined)
  }

  #byName(name: string): Unit | undefined {
    let plain = name.replace(/^fused /, '').replace(/(_token_\d+|_nhwc|_nchwc|\/duplicated)+$/, '')
    for (;;) {
      const unit = this.#byNode.get(plain) ?? this.#byNode.get(this.#graph.producer(plain)?.name ?? '')
      if (unit !== undefined) return unit
      const cut = plain.lastIndexOf('/')
      if (cut <= 0) return undefined
      plain = plain.slice(0, cut)
    }
  }
}

/** Names of what an operator was taken apart into: `HardSigmoid_56`. */
const isMadeUp = (name: string) => /^[A-Z][A-Za-z]*_\d+$/.test(name)

/** Operators that the engine puts in to change a layout. */
const isLayout = (optimized: Graph, node: Node, owners: Owners) =>
  node.opType === 'ReorderInput' || node.opType === 'ReorderOutput' || (isOp(node, 'Transpose') && owners.of(optimized, node) === undefined)
const isConversion = (node: Node | undefined) => node?.opType === 'QuantizeLinear' || node?.opType === 'DequantizeLinear'

function attribute({ operators, optimized }: Profile, owners: Owners): Map<Unit, number> {
  const nodes = new Map(optimized.nodes.map(node => [node.name, node]))
  const totals = new Map<Unit, number>()
  for (const { name, us } of operators) {
    const node = nodes.get(name)
    if (node === undefined || isConversion(node)) continue
    const owner = isLayout(optimized, node, owners) ? servedBy(optimized, node, owners) : owners.of(optimized, node)
    if (owner !== undefined) totals.set(owner, (totals.get(owner) ?? 0) + us)
  }
  return totals
}

/** The unit that a change of layout serves: the one that reads it; the one before where that is not the float layout's own. Conversions carry theirs themselves. */
function servedBy(optimized: Graph, node: Node, owners: Owners): Unit | undefined {
  const before = optimized.producer(node.inputs[0]!)
  const [after] = optimized.consumers(node.outputs[0]!)
  if (isConversion(before) || isConversion(after)) return undefined
  if (node.opType === 'ReorderOutput') return before === undefined ? undefined : owners.of(optimized, before)
  return after === undefined ? undefined : owners.of(optimized, after)
}

/** A convolution that the engine fused with the sum behind it goes by the sum's name: its time is the convolution's. */
function moveFusedSums(times: Map<Unit, number>, units: readonly Unit[]): void {
  const makers = new Map(units.flatMap(unit => unit.outputs.map(output => [output, unit] as const)))
  for (const unit of units) {
    if (unit.form !== 'elementwise') continue
    const time = times.get(unit) ?? 0
    const silent = unit.data
      .flatMap(value => makers.get(value) ?? [])
      .find(maker => maker.form === 'linear' && (times.get(maker) ?? 0) === 0)
    if (time === 0 || silent === undefined) continue
    times.set(silent, time)
    times.set(unit, 0)
  }
}
