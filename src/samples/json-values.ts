import { QuantdError } from '../errors.js'
import { dtypes, type NumericDType, type TensorData } from '../graph/tensor/dtype.js'
import { elementCount } from '../graph/tensor/tensor.js'
import { float16Bits, float16Value } from './float16.js'

interface Place {
  readonly dtype: NumericDType
  readonly shape: readonly number[]
  /** For messages. */
  readonly where: string
}

/**
 * Numbers of a JSON array, flat or nested as `shape` says. Integers must be integers within their type, floats finite; int64 and uint64 beyond 2^53
 * come as strings of digits, since JSON numbers lose them; booleans are taken for BOOL.
 * @throws ERR_REQUEST_SHAPE when the count or the nesting differs from `shape`, ERR_REQUEST_DTYPE naming the element
 */
export function readJsonValues(data: readonly unknown[], { dtype, shape, where }: Place): TensorData {
  const flat = Array.isArray(data[0]) ? flatten(data, shape, where) : data
  const count = elementCount(shape)
  if (flat.length !== count) {
    throw new QuantdError('ERR_REQUEST_SHAPE', `${where}: shape [${shape.join()}] has ${count} elements, data has ${flat.length}`, {
      details: { expected: count, actual: flat.length },
    })
  }
  const { array } = dtypes[dtype]
  const read = reader(dtype)
  const result = new array(count)
  for (let i = 0; i < count; i += 1) {
    const value = read(flat[i])
    if (value === undefined) {
      throw new QuantdError('ERR_REQUEST_DTYPE', `${where}: element ${i} is no ${dtype}: ${shown(flat[i])}`, {
        details: { expected: dtype, element: i },
      })
    }
    result[i] = value
  }
  return result
}

function flatten(data: readonly unknown[], shape: readonly number[], where: string): unknown[] {
  let level: readonly unknown[] = [data]
  for (const [axis, size] of shape.entries()) {
    const next: unknown[] = []
    for (const row of level) {
      if (!Array.isArray(row) || row.length !== size) {
        throw new QuantdError('ERR_REQUEST_SHAPE', `${where}: the nesting of data differs from shape [${shape.join()}] at axis ${axis}`, {
          details: { expected: size, actual: Array.isArray(row) ? row.length : typeof row, axis },
        })
      }
      for (const item of row) next.push(item)
    }
    level = next
  }
  return level as unknown[]
}

/** Of hostile depth and length, perhaps: a word for what is no number. */
const shown = (value: unknown): string =>
  typeof value === 'object' ? (value === null ? 'null' : 'a list or an object') : String(value).slice(0, 40)

/** What becomes one element, or undefined when `value` cannot. */
function reader(dtype: NumericDType): (value: unknown) => number | bigint | undefined {
  switch (dtype) {
    case 'float32':
      return value => (typeof value === 'number' && Number.isFinite(Math.fround(value)) ? value : undefined)
    case 'float64':
      return value => (typeof value === 'number' ? value : undefined)
    case 'float16':
      return value => (typeof value === 'number' && (float16Bits(value) & 0x7fff) < 0x7c00 ? float16Bits(value) : undefined)
    case 'bool':
      return value => (value === true || value === 1 ? 1 : value === false || value === 0 ? 0 : undefined)
    case 'int64':
      return value => wideInteger(value, -(2n ** 63n), 2n ** 63n - 1n)
    case 'uint64':
      return value => wideInteger(value, 0n, 2n ** 64n - 1n)
    default: {
      const range = integerRanges[dtype]
      if (range === undefined) return () => undefined
      const [low, high] = range
      return value => (typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high ? value : undefined)
    }
  }
}

const integerRanges: Partial<Record<NumericDType, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
}

function wideInteger(value: unknown, low: bigint, high: bigint): bigint | undefined {
  const isDigits = typeof value === 'string' && /^-?\d{1,20}$/.test(value)
  if (!isDigits && !Number.isSafeInteger(value)) return undefined
  const wide = BigInt(value as string | number)
  return wide >= low && wide <= high ? wide : undefined
}

/**
 * Text of the JSON array that holds `data`: the shortest decimals that give the same float32, float16 or float64 again, integers in full.
 * JSON has no word for NaN and the infinities: they become null; whoever needs them asks for binary outputs.
 */
export function formatJsonValues(dtype: NumericDType, data: TensorData): string {
  switch (dtype) {
    case 'float32':
      return join(data as Float32Array, value => shortest(value, { from: 7, to: 9, round: Math.fround }))
    case 'float16':
      return join(data as Uint16Array, bits => shortest(float16Value(bits), { from: 3, to: 5, round: roundToHalf }))
    case 'float64':
      return join(data as Float64Array, value => (Number.isFinite(value) ? String(value) : 'null'))
    case 'bool':
      return join(data as Uint8Array, value => (value === 0 ? 'false' : 'true'))
    default:
      return `[${data.join()}]`
  }
}

function join(data: Float32Array | Float64Array | Uint16Array | Uint8Array, format: (value: number) => string): string {
  const parts = new Array<string>(data.length)
  for (let i = 0; i < data.length; i += 1) parts[i] = format(data[i]!)
  return `[${parts.join()}]`
}

const roundToHalf = (value: number) => float16Value(float16Bits(value))

/** 10^0 .. 10^22: the powers of ten that a double holds exactly. */
const tens = Array.from({ length: 23 }, (_, power) => 10 ** power)

interface Digits {
  readonly from: number
  /** So many always give the value again. */
  readonly to: number
  /** To the type of the value. */
  round(value: number): number
}

/**
 * Fewest significant digits, of those tried, that `round` brings back to `value`. A decimal is an integer below 2^53 over an exact power of ten: their
 * quotient is the double next to it, which JavaScript prints with just these digits.
 */
function shortest(value: number, { from, to, round }: Digits): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return Object.is(value, -0) ? '-0.0' : String(value)
  if (!Number.isFinite(value)) return 'null'
  const places = -1 - Math.floor(Math.log10(Math.abs(value)))
  for (let precision = from; precision <= to; precision += 1) {
    const scale = tens[places + precision]
    const decimal = scale === undefined ? Number(value.toPrecision(precision)) : Math.round(value * scale) / scale
    if (round(decimal) === value) return String(decimal)
  }
  return String(value)
}
