import type { Graph } from '../../graph/graph.js'
import { isOp } from '../../graph/node.js'
import type { MeasuredCosts } from './measured-costs.js'
import { CutNetwork } from './minimum-cut.js'
import type { Placement } from './placement.js'
import type { Unit } from './unit.js'

/** What measuring made of a unit that could be int8. */
export interface FloatByCost {
  readonly unit: Unit
  readonly reason: string
}

export interface FloatByCostOptions {
  readonly graph: Graph
  readonly placement: Placement
  readonly costs: MeasuredCosts
  /** Microseconds that a million multiply-adds in float cost on top of their time: what makes products integer that are a little faster in float. Default 0. */
  readonly favour?: number
}

/**
 * Units of `placement` that are faster in float: each unit is int8 or float, codes become floats and back where neighbours differ, and the sum of all times is
 * the least there is, a minimum cut. Units that the table does not know stay int8.
 */
export function floatByCost({ graph, placement, costs, favour = 0 }: FloatByCostOptions): readonly FloatByCost[] {
  const macsOf = new Map(placement.layers.map(({ node, macs }) => [node, macs]))
  const network = new CutNetwork()
  const vertices = new Map([...placement.units.values()].map(unit => [unit, network.vertex()] as const))
  const makers = new Map([...placement.units.values()].flatMap(unit => unit.outputs.map(output => [output, unit] as const)))
  const readers = new Map<string, Unit[]>()
  for (const unit of vertices.keys()) for (const value of new Set(unit.data)) readers.set(value, [...(readers.get(value) ?? []), unit])
  for (const [unit, vertex] of vertices) {
    const times = costs.timesOf(unit)
    network.edge(
      network.source,
      vertex,
      times === undefined ? Number.POSITIVE_INFINITY : times.float + (favour * (macsOf.get(unit.main) ?? 0)) / 1e6,
    )
    network.edge(vertex, network.sink, times?.int8 ?? 0)
  }
  for (const value of new Set([...makers.keys(), ...readers.keys()])) {
    const maker = makers.get(value)
    const from = maker === undefined ? network.sink : vertices.get(maker)!
    const integerReaders = readers.get(value) ?? []
    const enter = network.vertex()
    for (const reader of integerReaders) network.edge(vertices.get(reader)!, enter, Number.POSITIVE_INFINITY)
    network.edge(enter, from, costs.enter(value))
    if (maker === undefined) continue
    const leave = network.vertex()
    network.edge(from, leave, givesFloatsForFree(maker) ? 0 : costs.leave(value))
    const read = new Set(integerReaders.map(({ main }) => main))
    const floatOutside = graph.isOutput(value) || graph.consumers(value).some(node => !read.has(node))
    if (floatOutside) network.edge(leave, network.sink, Number.POSITIVE_INFINITY)
    for (const reader of integerReaders) network.edge(leave, vertices.get(reader)!, Number.POSITIVE_INFINITY)
  }
  const side = network.sourceSide()
  return [...vertices]
    .filter(([, vertex]) => !side[vertex])
    .map(([unit]) => {
      const { float, int8 } = costs.timesOf(unit)!
      return { unit, reason: `measured: ${float.toFixed(1)} us in float, ${int8.toFixed(1)} us in int8 besides conversions` }
    })
}

/** Kernels of matrix products answer in float as they are. */
const givesFloatsForFree = ({ form, main }: Unit): boolean => form === 'dynamic-matmul' || (form === 'linear' && !isOp(main, 'Conv'))
