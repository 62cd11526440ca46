import type { NumericDType } from './dtype.js'

/** What a session takes or gives under one name. A size of `shape` is a number where it is fixed, a symbol's name or undefined where it is free. */
export interface TensorSpec {
  readonly name: string
  readonly dtype: NumericDType
  readonly shape: readonly (number | string | undefined)[]
}
