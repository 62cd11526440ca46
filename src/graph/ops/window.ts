import type { Dimension } from '../graph.js'
import { intAttribute, intsAttribute, type Node, stringAttribute } from '../node.js'
import { type FactRule, isKnown, known } from './facts.js'

/** Geometry of a sliding window over the spatial axes, as Conv and the pools give it, with the operator's defaults filled in. */
export interface Window {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Begins of all spatial axes, then ends. */
  readonly pads: readonly number[]
  readonly autoPad: string
  readonly ceil: boolean
}

/** The window of `node`; undefined when its kernel is unknown. `kernel` stands in for a missing kernel_shape (Conv takes it from the weights). */
export function windowOf(node: Node, kernel?: readonly number[]): Window | undefined {
  const shape = intsAttribute(node, 'kernel_shape') ?? kernel
  if (shape === undefined) return undefined
  const ones = shape.map(() => 1)
  return {
    kernel: shape,
    strides: intsAttribute(node, 'strides') ?? ones,
    dilations: intsAttribute(node, 'dilations') ?? ones,
    pads: intsAttribute(node, 'pads') ?? [...shape, ...shape].map(() => 0),
    autoPad: stringAttribute(node, 'auto_pad', 'NOTSET'),
    ceil: intAttribute(node, 'ceil_mode', 0) === 1,
  }
}

/** Output size of one spatial axis (Conv-11, MaxPool-12 formulas); with ceil_mode windows that start in the end padding are left out, as the engine does. */
function slide(size: Dimension, window: Window, axis: number): Dimension {
  if (!isKnown(size)) return undefined
  const rank = window.kernel.length
  const stride = window.strides[axis]!
  const reach = (window.kernel[axis]! - 1) * window.dilations[axis]! + 1
  if (window.autoPad === 'SAME_UPPER' || window.autoPad === 'SAME_LOWER') return Math.ceil(size / stride)
  const [begin, end] = window.autoPad === 'VALID' ? [0, 0] : [window.pads[axis]!, window.pads[axis + rank]!]
  const steps = (size + begin + end - reach) / stride
  if (!window.ceil) return Math.floor(steps) + 1
  const count = Math.ceil(steps) + 1
  return (count - 1) * stride >= size + begin ? count - 1 : count
}

const conv: FactRule = ({ node, input }) => {
  const { dtype, shape } = input(0)
  const weights = input(1).shape
  const rank = weights?.length ?? shape?.length
  if (rank === undefined) return [{ dtype }]
  const window = windowOf(node, known(weights?.slice(2)))
  const spatial = Array.from({ length: rank - 2 }, (_, axis) => (window === undefined ? undefined : slide(shape?.[axis + 2], window, axis)))
  return [{ dtype, shape: [shape?.[0], weights?.[0], ...spatial] }]
}

const convTranspose: FactRule = ({ node, input }) => {
  const { dtype, shape } = input(0)
  const weights = input(1).shape
  const rank = weights?.length ?? shape?.length
  if (rank === undefined) return [{ dtype }]
  const window = windowOf(node, known(weights?.slice(2)))
  const extra = intsAttribute(node, 'output_padding')
  const outputShape = intsAttribute(node, 'output_shape')
  const spatial = Array.from({ length: rank - 2 }, (_, axis): Dimension => {
    const size = shape?.[axis + 2]
    if (window === undefined || !isKnown(size) || outputShape !== undefined || window.autoPad !== 'NOTSET') return undefined
    const reach = (window.kernel[axis]! - 1) * window.dilations[axis]! + 1
    return (
      window.strides[axis]! * (size - 1) + (extra?.[axis] ?? 0) + reach - window.pads[axis]! - window.pads[axis + window.kernel.length]!
    )
  })
  const perGroup = weights?.[1]
  return [{ dtype, shape: [shape?.[0], isKnown(perGroup) ? perGroup * intAttribute(node, 'group', 1) : undefined, ...spatial] }]
}

const pool: FactRule = ({ node, input }) => {
  const { dtype, shape } = input(0)
  const window = windowOf(node)
  const rank = shape?.length ?? (window === undefined ? undefined : window.kernel.length + 2)
  if (rank === undefined) return [{ dtype }]
  const spatial = Array.from({ length: rank - 2 }, (_, axis) => (window === undefined ? undefined : slide(shape?.[axis + 2], window, axis)))
  const whole = [shape?.[0], shape?.[1], ...spatial]
  return [
    { dtype, shape: whole },
    { dtype: 'int64', shape: whole },
  ]
}

const globalPool: FactRule = ({ input }) => {
  const { dtype, shape } = input(0)
  return [{ dtype, shape: shape?.map((size, axis) => (axis < 2 ? size : 1)) }]
}

export const windowRules: readonly (readonly [string, FactRule])[] = [
  ['AveragePool', pool],
  ['Conv', conv],
  ['ConvTranspose', convTranspose],
  ['GlobalAveragePool', globalPool],
  ['GlobalLpPool', globalPool],
  ['GlobalMaxPool', globalPool],
  ['LpPool', pool],
  ['MaxPool', pool],
]
