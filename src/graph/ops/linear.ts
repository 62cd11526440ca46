import type { Dimension } from '../graph.js'
import { intAttribute } from '../node.js'
import { broadcast } from './elementwise.js'
import { type FactRule, isKnown, known, plainAxis } from './facts.js'
import { isAbsent, listOf } from './shape-arithmetic.js'

const matmul: FactRule = ({ input }) => {
  const { dtype, shape: a } = input(0)
  const { shape: b } = input(1)
  if (a === undefined || b === undefined || a.length === 0 || b.length === 0) return [{ dtype }]
  const batch = broadcast([a.slice(0, -2), b.slice(0, -2)])
  if (batch === undefined) return [{ dtype }]
  const rows = a.length > 1 ? [a.at(-2)] : []
  const columns = b.length > 1 ? [b.at(-1)] : []
  return [{ dtype, shape: [...batch, ...rows, ...columns] }]
}

const gemm: FactRule = ({ node, input }) => [
  {
    dtype: input(0).dtype,
    shape: [input(0).shape?.[intAttribute(node, 'transA', 0)], input(1).shape?.[1 - intAttribute(node, 'transB', 0)]],
  },
]

const reduce: FactRule = given => {
  const { dtype, shape } = given.input(0)
  if (shape === undefined) return [{ dtype }]
  const keep = intAttribute(given.node, 'keepdims', 1) === 1
  const absent = isAbsent(given.node, 'axes', 1)
  if (absent && intAttribute(given.node, 'noop_with_empty_axes', 0) === 1) return [{ dtype, shape }]
  const axes = absent ? shape.map((_, axis) => axis) : listOf(given, 'axes', 1)
  if (axes === undefined) return [{ dtype, shape: keep ? shape.map(() => undefined) : undefined }]
  const gone = new Set((axes.length === 0 ? shape.map((_, axis) => axis) : axes).map(axis => plainAxis(axis, shape.length)))
  return [{ dtype, shape: keep ? shape.map((size, axis) => (gone.has(axis) ? 1 : size)) : shape.filter((_, axis) => !gone.has(axis)) }]
}

const argReduce: FactRule = ({ node, input }) => {
  const { shape } = input(0)
  const axis = shape === undefined ? undefined : plainAxis(intAttribute(node, 'axis', 0), shape.length)
  const keep = intAttribute(node, 'keepdims', 1) === 1
  const whole = axis === undefined ? undefined : shape?.flatMap((size, at) => (at === axis ? (keep ? [1] : []) : [size]))
  return [{ dtype: 'int64', shape: whole }]
}

const topK: FactRule = ({ node, input }) => {
  const { dtype, shape } = input(0)
  const axis = shape === undefined ? undefined : plainAxis(intAttribute(node, 'axis', -1), shape.length)
  const count: Dimension = node.attributes.has('k') ? intAttribute(node, 'k', 0) : known(input(1).values)?.[0]
  const whole = axis === undefined ? undefined : shape?.map((size, at) => (at === axis ? count : size))
  return [
    { dtype, shape: whole },
    { dtype: 'int64', shape: whole },
  ]
}

/** LSTM, GRU, RNN in the layout [sequence, directions, batch, hidden] (layout = 0). */
const recurrent: FactRule = ({ node, input }) => {
  const { dtype, shape } = input(0)
  if (intAttribute(node, 'layout', 0) !== 0) return node.outputs.map(() => ({ dtype }))
  const directions = input(1).shape?.[0]
  const hidden = node.attributes.has('hidden_size') ? intAttribute(node, 'hidden_size', 0) : input(2).shape?.[2]
  const state = [directions, shape?.[1], hidden]
  return [
    { dtype, shape: [shape?.[0], ...state.slice(0, 1), shape?.[1], hidden] },
    { dtype, shape: state },
    { dtype, shape: state },
  ]
}

const gatherElements: FactRule = ({ input }) => [{ dtype: input(0).dtype, shape: input(1).shape }]
const nonZero: FactRule = ({ input }) => [{ dtype: 'int64', shape: [input(0).shape?.length, undefined] }]
const nonMaxSuppression: FactRule = () => [{ dtype: 'int64', shape: [undefined, 3] }]
const typeOfFirst: FactRule = ({ input, node }) => node.outputs.map(() => ({ dtype: input(0).dtype }))

const oneHot: FactRule = ({ node, input }) => {
  const { shape } = input(0)
  const [depth] = input(1).values ?? []
  const rank = shape === undefined ? undefined : shape.length + 1
  const axis = rank === undefined ? undefined : plainAxis(intAttribute(node, 'axis', -1), rank)
  const whole = axis === undefined ? undefined : shape?.toSpliced(axis, 0, isKnown(depth) ? depth : undefined)
  return [{ dtype: input(2).dtype, shape: whole }]
}

const reduceOps = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'Sum', 'SumSquare'].map(kind => `Reduce${kind}`)

export const linearRules: readonly (readonly [string, FactRule])[] = [
  ...reduceOps.map(name => [name, reduce] as const),
  ['ArgMax', argReduce],
  ['ArgMin', argReduce],
  ['Compress', typeOfFirst],
  ['Einsum', typeOfFirst],
  ['GRU', recurrent],
  ['GatherElements', gatherElements],
  ['GatherND', typeOfFirst],
  ['Gemm', gemm],
  ['LSTM', recurrent],
  ['MatMul', matmul],
  ['NonMaxSuppression', nonMaxSuppression],
  ['NonZero', nonZero],
  ['OneHot', oneHot],
  ['RNN', recurrent],
  ['TopK', topK],
]
