import type { Node } from '../../graph/node.js'
import type { ActivationMode, Affine, Range } from '../ranges/affine.js'
import type { ScaleShift, Unit } from './unit.js'

/** One activation quantizer: a QuantizeLinear behind `value`, and the dequantized form that integer operators read. */
export interface Quantizer {
  readonly value: string
  /** The value whose range decides: itself, or what a chain of moving operators started from. */
  readonly root: string
  /** `produced`: by an integer operator; `entering`: float data enters an integer operator here. */
  readonly at: 'produced' | 'entering'
  /** Second operand of a product of two computed matrices: its fast kernels want int8 where the first operand is uint8. */
  readonly signed: boolean
  /** Known without looking: Softmax and Sigmoid give 0..1, or the model brought it along. */
  readonly fixed?: Affine
  /** `fixed` is what the model brought along. */
  readonly given?: true
  readonly clip?: Range
  readonly scaleShift?: ScaleShift
  /** Value below 0 at which a saturating activation leaves many elements (Elu: -alpha). */
  readonly plateau?: number
  /** Modes that all readers take, fastest first; absent = both. */
  readonly modes?: readonly ActivationMode[]
  /** Values that share one range with this one, itself included, sorted: the union of theirs. */
  readonly group?: readonly string[]
  /** One range per channel along this axis; absent = one for the tensor. */
  readonly axis?: number
}

/** One operator of the float graph and what becomes of it. */
export interface PlacedLayer {
  readonly node: Node
  readonly state: 'int8' | 'codes' | 'float' | 'removed'
  readonly reason?: string
  /** Multiply-adds for one sample; 0 for all but convolutions and matrix products. */
  readonly macs: number
}

/** Where a model is quantized: units by their main node, quantizers by the value they stand behind, and every operator's fate. */
export interface Placement {
  readonly units: ReadonlyMap<Node, Unit>
  readonly quantizers: ReadonlyMap<string, Quantizer>
  readonly layers: readonly PlacedLayer[]
  /** Values whose ranges are wanted for the report alone, on a target where nothing is quantized. */
  readonly observed?: readonly string[]
}
