const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const open = new Set([0x7b, 0x5b])
const shut = new Set([0x7d, 0x5d])
const blank = new Set([0x20, 0x09, 0x0a, 0x0d])

/**
 * Strings and numbers of the outermost JSON object that have one of the `names`, read without parsing the rest: tensors of millions of digits are stepped over,
 * byte by byte, and stay bytes. Undefined: not a JSON object as far as it was looked at, which ends once all names are found.
 */
export function topLevelFields(bytes: Uint8Array, names: readonly string[]): ReadonlyMap<string, string | number> | undefined {
  const found = new Map<string, string | number>()
  let at = skipBlank(bytes, 0)
  if (bytes[at] !== 0x7b) return undefined
  at = skipBlank(bytes, at + 1)
  if (bytes[at] === 0x7d) return found
  while (found.size < names.length) {
    if (bytes[at] !== quote) return undefined
    const nameEnd = endOfValue(bytes, at)
    const name = parse(bytes, at, nameEnd)
    at = skipBlank(bytes, nameEnd)
    if (typeof name !== 'string' || bytes[at] !== 0x3a) return undefined
    at = skipBlank(bytes, at + 1)
    const end = endOfValue(bytes, at)
    if (end <= at) return undefined
    if (names.includes(name) && !found.has(name)) {
      const value = parse(bytes, at, end)
      if (typeof value === 'string' || typeof value === 'number') found.set(name, value)
    }
    at = skipBlank(bytes, end)
    if (bytes[at] === 0x7d) return found
    if (bytes[at] !== comma) return undefined
    at = skipBlank(bytes, at + 1)
  }
  return found
}

function skipBlank(bytes: Uint8Array, from: number): number {
  let at = from
  while (at < bytes.length && blank.has(bytes[at]!)) at += 1
  return at
}

/** Index after the value that starts at `from`. */
function endOfValue(bytes: Uint8Array, from: number): number {
  const first = bytes[from]
  if (first === undefined) return from
  if (first === quote) return endOfString(bytes, from)
  if (!open.has(first)) {
    let at = from
    while (at < bytes.length && bytes[at] !== comma && !shut.has(bytes[at]!) && !blank.has(bytes[at]!)) at += 1
    return at
  }
  let depth = 0
  for (let at = from; at < bytes.length; ) {
    const byte = bytes[at]!
    if (byte === quote) at = endOfString(bytes, at)
    else {
      if (byte === 0x7b || byte === 0x5b) depth += 1
      else if (byte === 0x7d || byte === 0x5d) depth -= 1
      at += 1
      if (depth === 0) return at
    }
  }
  return bytes.length
}

function endOfString(bytes: Uint8Array, from: number): number {
  let at = bytes.indexOf(quote, from + 1)
  while (at !== -1) {
    let slashes = 0
    while (bytes[at - 1 - slashes] === backslash) slashes += 1
    if (slashes % 2 === 0) return at + 1
    at = bytes.indexOf(quote, at + 1)
  }
  return bytes.length
}

/** The scalar between two indices; undefined when it is none, or longer than any of ours. */
function parse(bytes: Uint8Array, from: number, end: number): unknown {
  if (end - from > 4096) return undefined
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + from, end - from).toString())
  } catch {
    return undefined // no JSON: taken as absent
  }
}
