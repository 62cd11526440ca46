import type { Graph } from '../../graph/graph.js'
import { changeNode, floatAttribute, isOp, type Node } from '../../graph/node.js'
import { type ConstantTensor, constant, constantData } from '../../graph/tensor/tensor.js'
import { type Cells, changeLinear, dropUnread, firstInput, type LinearWeights } from './linear-weights.js'

/** Where the bias of a linear operator is kept: in itself (there or to be added), or in an Add behind a MatMul. */
type BiasPlace =
  | { readonly kind: 'own' }
  | { readonly kind: 'added'; readonly add: Node; readonly name: string; readonly tensor: ConstantTensor }

/** True where `shiftBias` can: always but for a MatMul without an Add of a constant per channel directly behind it. */
export function hasBiasPlace(graph: Graph, linear: LinearWeights): boolean {
  return biasPlace(graph, linear) !== undefined
}

function biasPlace(graph: Graph, { node, outputs }: LinearWeights): BiasPlace | undefined {
  if (!isOp(node, 'MatMul')) return { kind: 'own' }
  const [output = ''] = node.outputs
  const add = graph.soleConsumer(output)
  const name = isOp(add, 'Add') ? add.inputs.find(input => input !== output) : undefined
  const tensor = name === undefined ? undefined : graph.constant(name)
  if (add === undefined || name === undefined || tensor?.dtype !== 'float32') return undefined
  return tensor.shape.length === 1 && tensor.shape[0] === outputs ? { kind: 'added', add, name, tensor } : undefined
}

/** Adds `shift` to the bias of a linear operator, one number per output channel; a bias that it lacks is inserted. Constants that others share are copied. */
export function shiftBias(graph: Graph, linear: LinearWeights, shift: Float64Array): void {
  const place = biasPlace(graph, linear)
  if (place?.kind === 'own') changeLinear(graph, linear, { bias: shift.map((value, o) => value + (linear.bias?.[o] ?? 0)) })
  if (place?.kind !== 'added') return
  const values = constantData(place.tensor) as Float32Array
  const shifted = graph.addConstant(
    place.name,
    constant(
      'float32',
      place.tensor.shape,
      values.map((value, o) => value + shift[o]!),
    ),
  )
  graph.replaceNode(place.add, changeNode(place.add, { inputs: place.add.inputs.map(input => (input === place.name ? shifted : input)) }))
  dropUnread(graph, place.name)
}

/** Shifts of several operators, each applied once with the sum of what it got: an operator may be the first of one pair and the second of another one. */
export class BiasShifts {
  readonly #shifts = new Map<Node, { readonly linear: LinearWeights; readonly shift: Float64Array }>()

  add(linear: LinearWeights, shift: Float64Array): void {
    const before = this.#shifts.get(linear.node)?.shift
    this.#shifts.set(linear.node, { linear, shift: before === undefined ? shift : before.map((value, o) => value + shift[o]!) })
  }

  apply(graph: Graph): void {
    for (const { linear, shift } of this.#shifts.values()) shiftBias(graph, linear, shift)
  }
}

export interface ShiftBehindOptions {
  readonly linear: LinearWeights
  readonly cells: Cells
  /** What every element of a channel of the data is raised by, by its index along the axis that the operator reads. */
  readonly raised: Float64Array
}

/** What that adds to each output channel. Exact where no padding is read. */
export function shiftBehind({ linear, cells, raised }: ShiftBehindOptions): Float64Array {
  const { node, outputs, seen } = linear
  const alpha = isOp(node, 'Gemm') ? floatAttribute(node, 'alpha', 1) : 1
  return Float64Array.from({ length: outputs }, (_, o) => {
    const first = firstInput(linear, o)
    let shift = 0
    for (let j = 0; j < seen; j += 1) shift += cells.sums[o * seen + j]! * raised[first + j]!
    return alpha * shift
  })
}
