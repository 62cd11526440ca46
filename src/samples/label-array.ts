import { QuantdError } from '../errors.js'
import type { TensorData } from '../graph/tensor/dtype.js'
import { type ArrayFile, numbersOf } from './array-file.js'
import { float16Value } from './float16.js'
import type { Label } from './sample.js'

/**
 * The label of row `index`: an integer is a class index, any float or a row of several numbers is a row, text is text without its padding. A row of more axes
 * is flattened: boxes are [samples, boxes, 5], padded with NaN. What says that a label is not known (-1, NaN) is the metric's to read.
 * @throws ERR_SAMPLES_LABEL
 */
export async function readLabel(array: ArrayFile, index: number): Promise<Label> {
  const { element, shape } = array.header
  const bytes = await array.readRows(index, 1)
  if (element.kind === 'text') {
    if (shape.length !== 1) refuse(array, `text labels have one axis, found shape [${shape.join()}]`)
    return element.encoding === 'utf32' ? utf32Text(bytes) : new TextDecoder().decode(trimZeros(bytes))
  }
  const row = plainNumbers(numbersOf(bytes, element.dtype), element.dtype === 'float16')
  const isIndex = shape.length === 1 && !element.dtype.startsWith('float')
  if (!isIndex) return row
  const [value] = row as [number]
  if (!Number.isSafeInteger(value)) refuse(array, `label ${value} of sample ${index} is no class index`)
  return value
}

function plainNumbers(values: TensorData, isFloat16: boolean): number[] {
  return Array.from(values as Float32Array, value => (isFloat16 ? float16Value(value) : Number(value)))
}

/** NumPy '<U': one little-endian code point per character, zeros after the last. */
function utf32Text(bytes: Uint8Array<ArrayBuffer>): string {
  const points = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  let text = ''
  for (const point of points.subarray(0, lastNonZero(points) + 1)) text += point <= 0x10ffff ? String.fromCodePoint(point) : '\ufffd'
  return text
}

const trimZeros = (bytes: Uint8Array) => bytes.subarray(0, lastNonZero(bytes) + 1)
const lastNonZero = (values: Uint8Array | Uint32Array): number => values.findLastIndex(value => value !== 0)

function refuse(array: ArrayFile, message: string): never {
  throw new QuantdError('ERR_SAMPLES_LABEL', `${array.where}: ${message}`)
}
