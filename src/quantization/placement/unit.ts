import type { Node } from '../../graph/node.js'
import type { Range } from '../ranges/affine.js'

/** How an operator computes on codes: with weights, with two computed matrices, element by element, or by moving codes unchanged. */
export type Form = 'linear' | 'dynamic-matmul' | 'elementwise' | 'concat' | 'global-pool' | 'average-pool' | 'unary' | 'hard-swish' | 'move'

/** y = multiply * x + add, one number each. */
export interface ScaleShift {
  readonly multiply: number
  readonly add: number
}

/** Operators of the float graph that become one integer operator: the one that computes, and what is folded into the quantizer behind it. */
export interface Unit {
  readonly form: Form
  readonly main: Node
  /** Bias addition, scale and shift, Relu or Clip behind `main`, in graph order: gone when the unit is int8. */
  readonly folded: readonly Node[]
  /** Computed values that it reads as codes, in the order of `main.inputs`. */
  readonly data: readonly string[]
  /** Values behind the last folded node; several for Split. */
  readonly outputs: readonly string[]
  /** Its kernel answers in float: no quantizer behind it. */
  readonly givesFloats?: true
  /** Constants of a linear unit. */
  readonly weight?: string
  readonly bias?: string
  /** Interval of a folded Relu or Clip. */
  readonly clip?: Range
  /** Folded scale and shift between `main` and `outputs`: a relabelling of the codes, so it costs nothing. */
  readonly scaleShift?: ScaleShift
}
