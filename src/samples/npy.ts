import { QuantdError } from '../errors.js'
import type { NumericDType } from '../graph/tensor/dtype.js'
import { elementCount } from '../graph/tensor/tensor.js'

/** Element of a `.npy` array: a number of one of our types, or text of a fixed size in bytes. */
export type NpyElement =
  | { readonly kind: 'number'; readonly dtype: NumericDType; readonly bytes: number }
  | { readonly kind: 'text'; readonly encoding: 'utf32' | 'bytes'; readonly bytes: number }

export interface NpyHeader {
  readonly element: NpyElement
  readonly shape: readonly number[]
  /** Where the values start. */
  readonly dataOffset: number
}

const numbers: Readonly<Record<string, NumericDType>> = {
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  b1: 'bool',
}

/** More than NumPy ever writes for an array of numbers; a longer one is no header. */
export const npyHeaderLimit = 65_536

/**
 * Header of the NumPy `.npy` format, versions 1 to 3 (numpy.lib.format):
 *
 * | offset | size | name |
 * |---|---|---|
 * | 0 | 6 | \x93NUMPY |
 * | 6 | 2 | major, minor version |
 * | 8 | 2 (version 1) or 4 | size of the text, little-endian |
 * | 10 or 12 | - | Python dictionary `descr`, `fortran_order`, `shape`, padded with spaces |
 *
 * @param bytes the start of the file, at least its first `npyHeaderLimit` bytes or all of it
 * @throws ERR_SAMPLES_FORMAT for big-endian, Fortran order of rank 2 and more, Python objects and records
 */
export function parseNpyHeader(bytes: Uint8Array, where: string): NpyHeader {
  const refuse = (message: string): never => {
    throw new QuantdError('ERR_SAMPLES_FORMAT', `${where}: ${message}`, { details: { where } })
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 12 || view.getUint32(0) !== 0x934e554d || view.getUint16(4) !== 0x5059)
    refuse('not a .npy array: no \\x93NUMPY at its start')
  const version = bytes[6] as number
  if (version < 1 || version > 3) refuse(`.npy version ${version}; 1, 2 and 3 are known`)
  const textStart = version === 1 ? 10 : 12
  const dataOffset = textStart + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true))
  if (dataOffset > Math.min(bytes.length, npyHeaderLimit)) refuse(`the .npy header of ${dataOffset} bytes is cut off or too long`)
  const text = new TextDecoder().decode(bytes.subarray(textStart, dataOffset))

  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1] ?? refuse('records and Python objects are not read; save plain arrays')
  const sizes = /'shape'\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1] ?? refuse('the .npy header has no shape')
  const shape = sizes
    .split(',')
    .map(size => size.trim().replace(/L$/, ''))
    .filter(size => size !== '')
    .map(Number)
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(elementCount(shape))) refuse(`shape [${shape.join()}] is too large`)
  if (/'fortran_order'\s*:\s*True/.test(text) && shape.length > 1) refuse('Fortran order; save np.ascontiguousarray(array)')
  return Object.freeze({ element: parseElement(descr, refuse), shape: Object.freeze(shape), dataOffset })
}

function parseElement(descr: string, refuse: (message: string) => never): NpyElement {
  const match = /^([<>|=])([a-zA-Z])(\d+)$/.exec(descr)
  const [, order, letter = '', digits] = match ?? []
  const size = Number(digits)
  if (order === '>' && (size > 1 || letter === 'U'))
    refuse(`big-endian values ('${descr}'); save array.astype(array.dtype.newbyteorder('<'))`)
  if (letter === 'U' && size <= 1_000_000) return { kind: 'text', encoding: 'utf32', bytes: size * 4 }
  if (letter === 'S' && size <= 1_000_000) return { kind: 'text', encoding: 'bytes', bytes: size }
  const dtype = numbers[`${letter}${digits}`] ?? refuse(`values of type '${descr}' are not read`)
  return { kind: 'number', dtype, bytes: size }
}

/** The header of a C-ordered array, padded so that the values start at a multiple of 64 as NumPy does. */
export function formatNpyHeader(descr: string, shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`
  const total = Math.ceil((10 + text.length + 1) / 64) * 64
  const bytes = new TextEncoder().encode(`\x00NUMPY\x01\x00\x00\x00${text}${' '.repeat(total - 11 - text.length)}\n`)
  bytes[0] = 0x93
  new DataView(bytes.buffer).setUint16(8, total - 10, true)
  return bytes
}

const letters = new Map(Object.entries(numbers).map(([letters, dtype]) => [dtype, letters]))

/** NumPy's name of a type, or undefined where it has none. */
export function npyDescr(dtype: NumericDType): string | undefined {
  const name = letters.get(dtype)
  return name === undefined ? undefined : `${name.endsWith('1') ? '|' : '<'}${name}`
}
