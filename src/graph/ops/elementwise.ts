import type { Dimension } from '../graph.js'
import { intAttribute } from '../node.js'
import { dtypeFromOnnx } from '../tensor/dtype.js'
import { type FactRule, type Facts, isKnown, longestVector } from './facts.js'

/** Type and shape of the first input. */
const likeFirst: FactRule = ({ input }) => [{ dtype: input(0).dtype, shape: input(0).shape }]

/** The same with values computed one by one; float32 results are rounded to float32. */
const mapped =
  (compute: (value: number) => number): FactRule =>
  ({ input }) => {
    const { dtype, shape, values } = input(0)
    return [{ dtype, shape, values: values?.map(value => (isKnown(value) ? rounded(compute(value), dtype) : undefined)) }]
  }

const binary =
  (compute: (a: number, b: number) => number): FactRule =>
  ({ inputs }) => {
    const [first, second] = inputs
    if (first === undefined || second === undefined) return []
    return [{ dtype: first.dtype, shape: broadcast(inputs.map(({ shape }) => shape)), values: combined(first, second, compute) }]
  }

/** Variadic: Max, Min, Sum, Mean. */
const folded =
  (compute: ((a: number, b: number) => number) | undefined): FactRule =>
  ({ inputs }) => {
    const [first, ...rest] = inputs
    if (first === undefined) return []
    let whole = first
    for (const next of rest) {
      whole = {
        dtype: whole.dtype,
        shape: broadcast([whole.shape, next.shape]),
        values: compute === undefined ? undefined : combined(whole, next, compute),
      }
    }
    return [rest.length === 0 && compute === undefined ? { ...first, values: undefined } : whole]
  }

/** Comparisons and logic: booleans as 0 and 1. */
const logic =
  (compute: (a: number, b: number) => boolean): FactRule =>
  ({ inputs }) => {
    const [first, second] = inputs
    if (first === undefined || second === undefined) return []
    const values = combined({ ...first, dtype: 'int64' }, second, (a, b) => Number(compute(a, b)))
    return [{ dtype: 'bool', shape: broadcast([first.shape, second.shape]), values }]
  }

function combined(a: Facts, b: Facts, compute: (a: number, b: number) => number): readonly Dimension[] | undefined {
  if (a.values === undefined || b.values === undefined) return undefined
  const length = Math.max(a.values.length, b.values.length)
  if (
    length > longestVector ||
    (a.values.length !== length && a.values.length !== 1) ||
    (b.values.length !== length && b.values.length !== 1)
  ) {
    return undefined
  }
  return Array.from({ length }, (_, index) => {
    const left = a.values![a.values!.length === 1 ? 0 : index]
    const right = b.values![b.values!.length === 1 ? 0 : index]
    return isKnown(left) && isKnown(right) ? rounded(compute(left, right), a.dtype) : undefined
  })
}

/** float32 arithmetic rounds each result; integers that leave 2^53, and what is no number, are unknown. */
function rounded(value: number, dtype: Facts['dtype']): Dimension {
  if (dtype === 'float32') return Number.isFinite(value) ? Math.fround(value) : undefined
  return (dtype === 'int64' || dtype === 'int32') && Number.isSafeInteger(value) && (dtype === 'int64' || value === (value | 0))
    ? value
    : undefined
}

/** Multidirectional broadcasting: undefined when a rank is unknown. */
export function broadcast(shapes: readonly (readonly Dimension[] | undefined)[]): readonly Dimension[] | undefined {
  let whole: readonly Dimension[] = []
  for (const shape of shapes) {
    if (shape === undefined) return undefined
    const rank = Math.max(whole.length, shape.length)
    const left = whole
    whole = Array.from({ length: rank }, (_, axis) => {
      const a = axis < rank - left.length ? 1 : left[axis - (rank - left.length)]
      const b = axis < rank - shape.length ? 1 : shape[axis - (rank - shape.length)]
      if (a === 1) return b
      if (b === 1 || a === b) return a
      // A known size other than 1 decides: the other must be it or 1.
      if (isKnown(a)) return a
      return isKnown(b) ? b : undefined
    })
  }
  return whole
}

const cast: FactRule = ({ node, input }) => {
  const dtype = dtypeFromOnnx(intAttribute(node, 'to', 0))
  const { shape, values } = input(0)
  const integer = dtype === 'int64' || dtype === 'int32'
  const convert = (value: Dimension): Dimension => {
    if (!isKnown(value)) return integer && input(0).dtype !== 'float32' ? value : undefined
    if (dtype === 'bool') return Number(value !== 0)
    return rounded(integer ? Math.trunc(value) : value, dtype)
  }
  return [{ dtype, shape, values: integer || dtype === 'float32' || dtype === 'bool' ? values?.map(convert) : undefined }]
}

const where: FactRule = ({ inputs, input }) => {
  const [condition, yes, no] = [input(0), input(1), input(2)].map(({ values }) => values)
  const shape = broadcast(inputs.map(each => each.shape))
  const length = Math.max(condition?.length ?? 0, yes?.length ?? 0, no?.length ?? 0)
  const at = (values: readonly Dimension[] | undefined, index: number): Dimension => values?.[values.length === 1 ? 0 : index]
  const chosen = Array.from({ length }, (_, index) => {
    const flag = at(condition, index)
    return isKnown(flag) ? at(flag !== 0 ? yes : no, index) : undefined
  })
  return [{ dtype: input(1).dtype, shape, values: shape !== undefined && shape.length <= 1 && length > 0 ? chosen : undefined }]
}

const identity: FactRule = ({ input }) => [input(0)]

const likeFirstOps =
  'Acos Acosh Asin Asinh Atan Atanh BatchNormalization Bernoulli BitwiseNot Celu Clip Cos Cosh CumSum Elu Erf Exp FakeQuantize Gelu GroupNormalization HardSigmoid HardSwish Hardmax InstanceNormalization LRN LayerNormalization LeakyRelu Log LogSoftmax LpNormalization MeanVarianceNormalization Mish PRelu RMSNormalization Reciprocal ReverseSequence Round ScatterElements Scatter ScatterND Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu Trilu'

/** Types and sizes of the tests on one value. */
const likeFirstBool: FactRule = ({ input }) => [{ dtype: 'bool', shape: input(0).shape }]

export const elementwiseRules: readonly (readonly [string, FactRule])[] = [
  ...likeFirstOps.split(' ').map(name => [name, likeFirst] as const),
  ...['IsNaN', 'IsInf'].map(name => [name, likeFirstBool] as const),
  ['Abs', mapped(Math.abs)],
  ['Add', binary((a, b) => a + b)],
  ['And', logic((a, b) => a !== 0 && b !== 0)],
  ['Cast', cast],
  ['CastLike', ({ input }) => [{ dtype: input(1).dtype, shape: input(0).shape }]],
  ['Ceil', mapped(Math.ceil)],
  ['DequantizeLinear', ({ input }) => [{ dtype: input(1).dtype, shape: input(0).shape }]],
  [
    'Div',
    ({ inputs, input, ...given }) =>
      binary(input(0).dtype === 'float32' ? (a, b) => a / b : (a, b) => Math.trunc(a / b))({ inputs, input, ...given }),
  ],
  ['Dropout', likeFirst],
  ['Equal', logic((a, b) => a === b)],
  ['Floor', mapped(Math.floor)],
  ['Greater', logic((a, b) => a > b)],
  ['GreaterOrEqual', logic((a, b) => a >= b)],
  ['Identity', identity],
  ['Less', logic((a, b) => a < b)],
  ['LessOrEqual', logic((a, b) => a <= b)],
  ['Max', folded(Math.max)],
  ['Mean', folded(undefined)],
  ['Min', folded(Math.min)],
  ['Mod', modulo()],
  ['Mul', binary((a, b) => a * b)],
  ['Neg', mapped(value => (value === 0 ? 0 : -value))],
  [
    'Not',
    ({ input }) => [
      { dtype: 'bool', shape: input(0).shape, values: input(0).values?.map(value => (isKnown(value) ? Number(value === 0) : undefined)) },
    ],
  ],
  ['Or', logic((a, b) => a !== 0 || b !== 0)],
  ['Pow', ({ inputs, input }) => [{ dtype: input(0).dtype, shape: broadcast(inputs.map(({ shape }) => shape)) }]],
  ['QuantizeLinear', ({ input }) => [{ dtype: input(2).dtype ?? 'uint8', shape: input(0).shape }]],
  ['Relu', mapped(value => Math.max(value, 0))],
  ['Sub', binary((a, b) => a - b)],
  ['Sum', folded((a, b) => a + b)],
  ['Where', where],
  ['Xor', logic((a, b) => (a !== 0) !== (b !== 0))],
]

/** Mod of integers takes the sign of the divisor (fmod = 0). */
function modulo(): FactRule {
  return given => {
    const integer = given.input(0).dtype === 'int64' || given.input(0).dtype === 'int32'
    const [facts] = binary((a, b) => (b === 0 ? Number.NaN : a - b * Math.floor(a / b)))(given)
    return facts === undefined ? [] : [integer && intAttribute(given.node, 'fmod', 0) === 0 ? facts : { ...facts, values: undefined }]
  }
}
