import type { Node } from '../node.js'
import type { Grid } from './grid.js'

/** A quantizer as a file has it: float in at `input`, float out at `output`, whether one FakeQuantize or QuantizeLinear and DequantizeLinear. */
export interface FoundQuantizer {
  /** The node that gives `output`. */
  readonly node: Node
  readonly input: string
  readonly output: string
  /** Where values are rounded and cut. */
  readonly takes: Grid
  /** What the codes are taken for afterwards; the same as `takes` in a plain quantizer. */
  readonly gives: Grid
}

/** A DequantizeLinear on codes that the file stores. */
export interface StoredCodes {
  readonly node: Node
  /** The initializer that holds the codes. */
  readonly input: string
  readonly output: string
  readonly grid: Grid
  readonly codes: ArrayLike<number>
  readonly shape: readonly number[]
}
