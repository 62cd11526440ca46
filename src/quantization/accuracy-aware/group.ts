import { isOp } from '../../graph/node.js'
import type { Placement } from '../placement/placement.js'
import type { Unit } from '../placement/unit.js'

/** Nodes that are made float together, because their quantizers mean nothing one without the other. */
export interface Group {
  /** The nodes' names, sorted and joined: the same group has the same id in every run. */
  readonly id: string
  /** Names of nodes for `keepFloat`, in graph order. */
  readonly nodes: readonly string[]
  /** Convolutions and matrix products among them: what reverting costs. */
  readonly products: number
  /** The value whose quantizer goes; undefined where only the rounding of weights goes. */
  readonly value: string | undefined
}

const isProduct = ({ form }: Unit) => form === 'linear' || form === 'dynamic-matmul'

/**
 * What can be reverted in a model, from the end of the graph:
 *
 * - every convolution and matrix product by itself: the rounding of its weights goes, and what `place` makes float with it;
 * - for every quantizer, all that must be cut with it (the closure of quantization.md 4.8): every integer operator that reads its value, also through
 *   operators that only move codes, and a convolution or pool that gives it, whose integer kernel cannot do without. Elementwise operators and
 *   concatenations that nobody reads as codes any more turn float by themselves; those that read the value are in the closure.
 *
 * The same set of nodes is one group, whatever it was found by.
 */
export function groupsOf({ units, quantizers }: Placement): readonly Group[] {
  const all = [...units.values()]
  const order = new Map(all.map((unit, index) => [unit, index]))
  const groups = new Map<string, Group & { readonly last: number }>()
  const add = (members: readonly Unit[], value: string | undefined) => {
    const sorted = [...new Set(members)].sort((a, b) => order.get(a)! - order.get(b)!)
    const products = sorted.filter(isProduct).length
    if (products === 0) return
    const nodes = sorted.map(({ main }) => main.name)
    const id = [...nodes].sort().join(' ')
    if (groups.get(id)?.value === undefined) groups.set(id, { id, nodes, products, value, last: order.get(sorted.at(-1)!)! })
  }
  for (const unit of all) if (isProduct(unit)) add([unit], undefined)
  for (const [root, values] of byRoot(quantizers)) {
    const members = values.flatMap(value =>
      all.filter(unit => unit.form !== 'move' && (unit.data.includes(value) || needsCodes(unit, value))),
    )
    add(members, root)
  }
  return [...groups.values()].sort((a, b) => b.last - a.last || a.products - b.products).map(({ last: _, ...group }) => group)
}

/** True when `unit` gives `value` by a kernel that answers in codes alone. */
const needsCodes = ({ main, outputs, givesFloats }: Unit, value: string) =>
  outputs.includes(value) && givesFloats !== true && isOp(main, 'Conv', 'GlobalAveragePool')

/** Values by what their chain of moving operators started from. */
function byRoot(quantizers: Placement['quantizers']): Map<string, readonly string[]> {
  const roots = new Map<string, readonly string[]>()
  for (const { root, value } of quantizers.values()) roots.set(root, [...(roots.get(root) ?? []), value])
  return roots
}
