import { QuantdError } from '../../errors.js'
import type { IrFiles } from './write.js'

/** First bytes of a packed IR: no ONNX file and no text begins so. */
const magic = Buffer.from('QIR1', 'latin1')
/** magic 4 + length of the text 4 */
const headBytes = 8
/** Constants begin at a multiple of this, as in a .bin of their own that is mapped. */
const alignment = 64

/**
 * The two files of an IR model as one, so that it is stored, hashed and replaced as one:
 *
 * | offset | size | what |
 * |---|---|---|
 * | 0 | 4 | `QIR1` |
 * | 4 | 4 | bytes of the .xml, little endian |
 * | 8 | n | the .xml, UTF-8 |
 * | next multiple of 64 | rest | the .bin |
 */
export function packIr({ xml, bin }: IrFiles): Uint8Array {
  const text = Buffer.from(xml, 'utf8')
  const start = constantsAt(text.byteLength)
  const packed = Buffer.alloc(start + bin.byteLength)
  magic.copy(packed)
  packed.writeUInt32LE(text.byteLength, magic.byteLength)
  text.copy(packed, headBytes)
  packed.set(bin, start)
  return packed
}

export function isPackedIr(head: Uint8Array): boolean {
  return head.byteLength >= headBytes && magic.equals(head.subarray(0, magic.byteLength))
}

/** The .bin is a view of `packed`. @throws ERR_IR_READ when it is cut short or no packed IR */
export function unpackIr(packed: Uint8Array): IrFiles {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength)
  const length = isPackedIr(bytes) ? bytes.readUInt32LE(magic.byteLength) : 0
  if (length === 0 || bytes.byteLength < constantsAt(length)) {
    throw new QuantdError('ERR_IR_READ', `packed IR: ${bytes.byteLength} bytes do not hold a text of ${length}`)
  }
  return { xml: bytes.toString('utf8', headBytes, headBytes + length), bin: bytes.subarray(constantsAt(length)) }
}

const constantsAt = (textBytes: number): number => Math.ceil((headBytes + textBytes) / alignment) * alignment
