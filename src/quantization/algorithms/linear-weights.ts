import type { Graph } from '../../graph/graph.js'
import { changeNode, float, floatAttribute, intAttribute, isOp, type Node } from '../../graph/node.js'
import { constant, constantData, elementCount } from '../../graph/tensor/tensor.js'

/**
 * A Conv, Gemm or MatMul with constant float32 weights, seen as cells that join an input channel with an output channel. The weights of cell (o, j), output o and
 * the j-th input that it sees, lie at `o * outputStride + j * inputStride + k` for k below `kernel`; that input is channel `firstInput(o) + j` of the data.
 */
export interface LinearWeights {
  readonly node: Node
  /** Not to be written to. */
  readonly values: Float32Array
  readonly shape: readonly number[]
  /** Channels of the data and of the result. */
  readonly inputs: number
  readonly outputs: number
  /** Input channels that one output sees: all of them, or those of its group. */
  readonly seen: number
  readonly outputStride: number
  readonly inputStride: number
  /** Weights of one cell: the size of a convolution's kernel, else 1. */
  readonly kernel: number
  /** Constant bias with Gemm's beta in it; undefined where the node has none. A MatMul's stands in an Add behind it. */
  readonly bias: Float32Array | undefined
}

/** First channel of the data that output `o` sees. */
export function firstInput({ inputs, outputs, seen }: LinearWeights, o: number): number {
  return Math.floor((o * inputs) / (outputs * seen)) * seen
}

/**
 * `node` as `LinearWeights`; undefined where weights or bias are computed, not float32, stacked matrices, or in a form that no channel owns (a transposed data
 * operand, a bias of another shape).
 */
export function linearWeights(graph: Graph, node: Node | undefined): LinearWeights | undefined {
  if (!isOp(node, 'Conv', 'Gemm', 'MatMul') || graph.constant(node.inputs[0]!) !== undefined) return undefined
  const tensor = graph.constant(node.inputs[1]!)
  const geometry = tensor?.dtype === 'float32' ? geometryOf(node, tensor.shape) : undefined
  if (tensor === undefined || geometry === undefined) return undefined
  const base = { node, values: constantData(tensor) as Float32Array, shape: tensor.shape, ...geometry }
  const name = isOp(node, 'MatMul') ? '' : (node.inputs[2] ?? '')
  if (name === '') return { ...base, bias: undefined }
  const bias = graph.constant(name)
  if (bias?.dtype !== 'float32' || elementCount(bias.shape) !== geometry.outputs || bias.shape.at(-1) !== geometry.outputs) return undefined
  const beta = isOp(node, 'Gemm') ? floatAttribute(node, 'beta', 1) : 1
  return { ...base, bias: (constantData(bias) as Float32Array).map(value => value * beta) }
}

type Geometry = Pick<LinearWeights, 'inputs' | 'outputs' | 'seen' | 'outputStride' | 'inputStride' | 'kernel'>

function geometryOf(node: Node, shape: readonly number[]): Geometry | undefined {
  if (isOp(node, 'Conv')) {
    if (shape.length < 3) return undefined
    const [outputs, seen] = [shape[0]!, shape[1]!]
    const kernel = elementCount(shape.slice(2))
    return { inputs: seen * intAttribute(node, 'group', 1), outputs, seen, outputStride: seen * kernel, inputStride: kernel, kernel }
  }
  if (shape.length !== 2 || (isOp(node, 'Gemm') && intAttribute(node, 'transA', 0) !== 0)) return undefined
  const [rows, columns] = [shape[0]!, shape[1]!]
  return isOp(node, 'Gemm') && intAttribute(node, 'transB', 0) !== 0
    ? { inputs: columns, outputs: rows, seen: columns, outputStride: columns, inputStride: 1, kernel: 1 }
    : { inputs: rows, outputs: columns, seen: rows, outputStride: 1, inputStride: columns, kernel: 1 }
}

/** Figures of the cells of a linear operator, at `o * seen + j`. */
export interface Cells {
  readonly largest: Float64Array
  readonly squares: Float64Array
  readonly sums: Float64Array
}

/** Largest magnitude, sum of squares and sum of the weights of each cell. */
export function cellsOf({ values, outputs, seen, outputStride, inputStride, kernel }: LinearWeights): Cells {
  const count = outputs * seen
  const cells = { largest: new Float64Array(count), squares: new Float64Array(count), sums: new Float64Array(count) }
  for (let o = 0, cell = 0; o < outputs; o += 1) {
    for (let j = 0; j < seen; j += 1, cell += 1) {
      const at = o * outputStride + j * inputStride
      let [largest, squares, sum] = [0, 0, 0]
      for (let k = at; k < at + kernel; k += 1) {
        const value = values[k]!
        largest = Math.max(largest, Math.abs(value))
        squares += value * value
        sum += value
      }
      cells.largest[cell] = largest
      cells.squares[cell] = squares
      cells.sums[cell] = sum
    }
  }
  return cells
}

/** `cellsOf` that computes each operator's once. */
export function cellsKeeper(): (linear: LinearWeights) => Cells {
  const known = new Map<Node, Cells>()
  return linear => {
    const cells = known.get(linear.node) ?? cellsOf(linear)
    known.set(linear.node, cells)
    return cells
  }
}

/** What to do to a linear operator, per channel; what is absent stays. */
export interface LinearChange {
  /** Factor of the weights of each input channel. */
  readonly inputFactors?: Float64Array | undefined
  /** Factor of the weights of each output channel. The bias is `bias`'s to change. */
  readonly outputFactors?: Float64Array | undefined
  /** The whole new bias. A MatMul takes none. */
  readonly bias?: Float64Array | undefined
}

/**
 * Puts the changed operator in place of `linear.node` and returns it. Weights and bias get constants of their own, so that whoever shares the old ones keeps them;
 * an old constant that nobody reads any more is removed.
 */
export function changeLinear(graph: Graph, linear: LinearWeights, { inputFactors, outputFactors, bias }: LinearChange): Node {
  const { node, shape } = linear
  const inputs = [...node.inputs]
  let attributes = node.attributes
  if (inputFactors !== undefined || outputFactors !== undefined) {
    const values = scaledWeights(linear, { inputFactors, outputFactors })
    inputs[1] = graph.addConstant(node.inputs[1]!, constant('float32', shape, values))
  }
  if (bias !== undefined) {
    inputs[2] = graph.addConstant(node.inputs[2] || `${node.name}_bias`, constant('float32', [bias.length], Float32Array.from(bias)))
    if (isOp(node, 'Gemm')) attributes = new Map([...attributes, ['beta', float(1)]])
  }
  const changed = changeNode(node, { inputs, attributes })
  graph.replaceNode(node, changed)
  for (const old of node.inputs.slice(1)) dropUnread(graph, old)
  return changed
}

function scaledWeights(linear: LinearWeights, { inputFactors, outputFactors }: LinearChange): Float32Array {
  const { values, outputs, seen, outputStride, inputStride, kernel } = linear
  const scaled = new Float32Array(values.length)
  for (let o = 0; o < outputs; o += 1) {
    const first = firstInput(linear, o)
    for (let j = 0; j < seen; j += 1) {
      const factor = (inputFactors?.[first + j] ?? 1) * (outputFactors?.[o] ?? 1)
      const at = o * outputStride + j * inputStride
      for (let k = at; k < at + kernel; k += 1) scaled[k] = values[k]! * factor
    }
  }
  return scaled
}

/** Removes a constant that no node reads and that is no result. */
export function dropUnread(graph: Graph, value: string): void {
  if (value !== '' && graph.consumers(value).length === 0 && !graph.isOutput(value)) graph.initializers.delete(value)
}
