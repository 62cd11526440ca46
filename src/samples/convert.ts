import { QuantdError } from '../errors.js'
import { dtypes, type NumericDType, type TensorData } from '../graph/tensor/dtype.js'
import { float16Bits, float16Value } from './float16.js'
import { isFloat, normalise, type Preprocessing } from './normalise.js'

export interface Conversion {
  readonly from: NumericDType
  readonly to: NumericDType
  /** With the batch axis first. */
  readonly shape: readonly number[]
  /** What model.json declares for this input. */
  readonly preprocessing?: Preprocessing | undefined
  /** For messages. */
  readonly where: string
}

/**
 * `values` as the model wants them: unchanged; float to float, rounded; integer to integer where every value fits; bytes to float by the declared
 * preprocessing. Integers never become floats without one: 0..255 and 0..1 look alike to a shape check, and only the model's author knows.
 * @throws ERR_SAMPLES_DTYPE
 */
export function convert(values: TensorData, { from, to, shape, preprocessing, where }: Conversion): TensorData {
  if (isFloat(to)) {
    if (from === 'uint8' && preprocessing !== undefined) return normalise(values as Uint8Array, { shape, preprocessing, dtype: to })
    if (from === to) return values
    if (isFloat(from)) return toFloat(values, { from, to })
  } else {
    if (from === to) return values
    if (!isFloat(from)) return toInteger(values, to, where)
  }
  const hint =
    from === 'uint8' && isFloat(to) ? `; declare {"from": "uint8", "scale": ..., "mean": ..., "std": ...} for it in model.json` : ''
  throw new QuantdError('ERR_SAMPLES_DTYPE', `${where}: ${from} values for an input of type ${to}${hint}`, {
    details: { expected: to, actual: from },
  })
}

function toFloat(values: TensorData, { from, to }: { readonly from: NumericDType; readonly to: NumericDType }): TensorData {
  const read: (value: number) => number = from === 'float16' ? float16Value : value => value
  if (to === 'float16') return Uint16Array.from(values as Float32Array, value => float16Bits(read(value)))
  return to === 'float32' ? Float32Array.from(values as Float32Array, read) : Float64Array.from(values as Float32Array, read)
}

function toInteger(values: TensorData, to: NumericDType, where: string): TensorData {
  const { array } = dtypes[to]
  const wide = array === BigInt64Array || array === BigUint64Array
  const result = new array(values.length)
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i]!
    result[i] = wide ? BigInt(value) : Number(value)
    const lost = to === 'bool' ? result[i] !== 0 && result[i] !== 1 : BigInt(result[i]!) !== BigInt(value)
    if (lost) {
      throw new QuantdError('ERR_SAMPLES_DTYPE', `${where}: value ${value} at element ${i} does not fit into ${to}`, {
        details: { expected: to, element: i },
      })
    }
  }
  return result
}
