import { isUtf8 } from 'node:buffer'
import { type DescMessage, ScalarType } from '@bufbuild/protobuf'
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { QuantdError } from '../../errors.js'

/** What one file may hold, far above real models (a 100,000-node graph has about a million messages) and far below what would fill the memory. */
export interface WireLimits {
  /** Messages within messages; one level of subgraph is three (graph, node, attribute). */
  readonly depth: number
  readonly messages: number
  /** Strings and byte fields. */
  readonly texts: number
  /** Floats in repeated fields outside raw data. */
  readonly floats: number
  /** Integers there: one byte of the file may become 24 of memory. */
  readonly integers: number
}

export const defaultWireLimits: WireLimits = { depth: 90, messages: 1_000_000, texts: 4_000_000, floats: 64_000_000, integers: 8_000_000 }

type FieldCheck =
  | { readonly kind: 'message'; readonly desc: DescMessage; readonly name: string }
  | { readonly kind: 'text' | 'bytes'; readonly name: string }
  | { readonly kind: 'number'; readonly wireType: WireType; readonly repeated: boolean; readonly name: string }

/**
 * Walks the bytes of a protobuf message by its descriptor without building anything: lengths inside their parents, wire types as declared, UTF-8,
 * and the limits. After it decoding cannot run past the end and its memory is bounded by the counts.
 * @throws ERR_ONNX_WIRE, ERR_ONNX_LIMIT, both with the byte offset
 */
export function checkWire(desc: DescMessage, bytes: Uint8Array, limits: WireLimits = defaultWireLimits): void {
  const reader = new BinaryReader(bytes)
  const counts = { messages: 0, texts: 0, floats: 0, integers: 0 }

  const fail = (what: string, at = reader.pos): never => {
    throw new QuantdError('ERR_ONNX_WIRE', `byte ${at}: ${what}`, { details: { byte: at } })
  }
  const count = (what: keyof typeof counts, by = 1): void => {
    counts[what] += by
    if (counts[what] > limits[what]) {
      throw new QuantdError('ERR_ONNX_LIMIT', `byte ${reader.pos}: more than ${limits[what]} ${what}`, {
        details: { byte: reader.pos, limit: limits[what], what },
      })
    }
  }
  const lengthWithin = (end: number, name: string): number => {
    const at = reader.pos
    const length = reader.uint32()
    if (length > end - reader.pos) fail(`${name} is ${length} bytes long, ${end - reader.pos} are left`, at)
    return length
  }

  const checkNumbers = (check: FieldCheck & { kind: 'number' }, wireType: WireType, end: number): void => {
    if (wireType === check.wireType) {
      if (check.repeated) count(wireType === WireType.Varint ? 'integers' : 'floats')
      reader.skip(wireType)
      return
    }
    if (!check.repeated || wireType !== WireType.LengthDelimited) fail(`${check.name} has wire type ${wireType}, not ${check.wireType}`)
    const length = lengthWithin(end, check.name)
    const stop = reader.pos + length
    if (check.wireType === WireType.Varint) {
      count('integers', varintsIn(bytes, reader.pos, stop))
      if (length > 0 && bytes[stop - 1]! >= 0x80) fail(`${check.name} ends inside a number`, stop)
    } else {
      const width = check.wireType === WireType.Bit32 ? 4 : 8
      if (length % width !== 0) fail(`${check.name} is ${length} bytes long, not a multiple of ${width}`)
      count('floats', length / width)
    }
    reader.pos = stop
  }

  const checkMessage = (message: DescMessage, end: number, depth: number): void => {
    if (depth > limits.depth) {
      throw new QuantdError('ERR_ONNX_LIMIT', `byte ${reader.pos}: messages nest deeper than ${limits.depth}`, {
        details: { byte: reader.pos, limit: limits.depth, what: 'depth' },
      })
    }
    count('messages')
    const checks = checksOf(message)
    while (reader.pos < end) {
      const at = reader.pos
      const [number, wireType] = reader.tag()
      const check = checks.get(number)
      if (wireType === WireType.StartGroup || wireType === WireType.EndGroup) fail(`${message.typeName} holds a group`, at)
      if (check === undefined) {
        count('texts')
        reader.skip(wireType)
      } else if (check.kind === 'number') checkNumbers(check, wireType, end)
      else {
        if (wireType !== WireType.LengthDelimited) fail(`${check.name} has wire type ${wireType}, not ${WireType.LengthDelimited}`, at)
        const length = lengthWithin(end, check.name)
        if (check.kind === 'message') checkMessage(check.desc, reader.pos + length, depth + 1)
        else {
          count('texts')
          if (check.kind === 'text' && !isUtf8(bytes.subarray(reader.pos, reader.pos + length))) fail(`${check.name} is not UTF-8`)
          reader.pos += length
        }
      }
      if (reader.pos > end) fail(`a field of ${message.typeName} runs past its end`, at)
    }
  }

  try {
    checkMessage(desc, bytes.byteLength, 0)
  } catch (cause) {
    if (cause instanceof QuantdError) throw cause
    const at = Math.min(reader.pos, bytes.byteLength)
    throw new QuantdError('ERR_ONNX_WIRE', `byte ${at}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      details: { byte: at },
      cause,
    })
  }
}

const known = new WeakMap<DescMessage, ReadonlyMap<number, FieldCheck>>()

function checksOf(message: DescMessage): ReadonlyMap<number, FieldCheck> {
  let checks = known.get(message)
  if (checks === undefined) {
    checks = new Map(message.fields.map(field => [field.number, checkOf(field, `${message.name}.${field.name}`)]))
    known.set(message, checks)
  }
  return checks
}

function checkOf(field: DescMessage['fields'][number], name: string): FieldCheck {
  if (field.message !== undefined) return { kind: 'message', desc: field.message, name }
  if (field.scalar === ScalarType.STRING) return { kind: 'text', name }
  if (field.scalar === ScalarType.BYTES) return { kind: 'bytes', name }
  return { kind: 'number', wireType: wireTypeOf(field.scalar), repeated: field.fieldKind === 'list', name }
}

/** Enums (no scalar) and integers are varints; ONNX has no zigzag or fixed integers. */
function wireTypeOf(scalar: ScalarType | undefined): WireType {
  if (scalar === ScalarType.FLOAT) return WireType.Bit32
  return scalar === ScalarType.DOUBLE ? WireType.Bit64 : WireType.Varint
}

function varintsIn(bytes: Uint8Array, start: number, end: number): number {
  let varints = 0
  for (let i = start; i < end; i += 1) if (bytes[i]! < 0x80) varints += 1
  return varints
}
