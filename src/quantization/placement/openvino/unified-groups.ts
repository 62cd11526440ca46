import type { Graph } from '../../../graph/graph.js'
import { isOp, type Node } from '../../../graph/node.js'
import type { DeviceSpec } from '../../../hardware/device-spec.js'
import type { Unit } from '../unit.js'

export interface UnifiedGroupOptions {
  readonly graph: Graph
  readonly units: ReadonlyMap<Node, Unit>
  readonly spec: Pick<DeviceSpec, 'unify'>
  /** Values that quantizers stand behind. */
  readonly values: ReadonlySet<string>
}

/**
 * Values that must share one range, by each of their values: inputs of a Concat that hands codes on, and of operators that the device wants unified. Groups
 * with a value in common are one group; what an operator reads through moving ones counts by the value that it started from.
 */
export function unifiedGroups({ graph, units, spec, values }: UnifiedGroupOptions): Map<string, readonly string[]> {
  const parent = new Map<string, string>([...values].map(value => [value, value]))
  const find = (value: string): string => {
    let root = value
    while (parent.get(root) !== root) root = parent.get(root)!
    return root
  }
  const rootsOf = (value: string): readonly string[] => {
    if (parent.has(value)) return [value]
    const producer = graph.producer(value)
    const unit = producer === undefined ? undefined : units.get(producer)
    return unit === undefined ? [] : unit.data.flatMap(rootsOf)
  }
  for (const unit of units.values()) {
    const unified = unit.form === 'concat' || (isOp(unit.main, ...spec.unify) && unit.data.length > 1)
    if (!unified) continue
    const [first, ...others] = unit.data.flatMap(rootsOf)
    for (const other of others) parent.set(find(other), find(first!))
  }
  const members = new Map<string, string[]>()
  for (const value of values) members.set(find(value), [...(members.get(find(value)) ?? []), value])
  const groups = new Map<string, readonly string[]>()
  for (const group of members.values()) {
    const sorted = [...group].sort()
    if (sorted.length > 1) for (const value of sorted) groups.set(value, sorted)
  }
  return groups
}
