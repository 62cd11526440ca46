import type { OpenvinoLibrary, Pointer } from '../../hardware/openvino/library.js'

/** What no kernel leaves: NaN with a payload as float32 and float16, neither 0 nor 1 as bool, an improbable number else. */
const mark = Buffer.from('c3a5c57fc3a5c57f', 'hex')

/**
 * Marks the outputs that a request still has from the inference before. Releases since 2025 (2025.4 and 2026.4 were seen to) swallow what is thrown while shapes
 * change, std::bad_alloc for one: an inference then reports success, and the outputs are those of the one before. What is still marked afterwards was not computed.
 * @returns how many of the outputs, by index, could be marked: before a first inference there may be no memory yet
 */
export function markOutputs(library: OpenvinoLibrary, request: Pointer, count: number): readonly number[] {
  return indices(count).filter(index => {
    const head = headOf(library, request, index)
    if (head.length === 0) return false
    head.set(mark.subarray(0, head.length))
    return true
  })
}

/** Those of `marked` that no inference has written to since. */
export function stillMarked(library: OpenvinoLibrary, request: Pointer, marked: readonly number[]): readonly number[] {
  return marked.filter(index => {
    const head = headOf(library, request, index)
    return head.length > 0 && mark.subarray(0, head.length).equals(head)
  })
}

/** What an inference that needs memory for shapes it did not have may ask for at once, in MiB: taken without being touched. */
const roomMiB = 256

/**
 * Outputs that have no elements. Before a first inference there is nothing to mark, and what was swallowed leaves them so; what was computed may be empty as well,
 * as boxes are where nothing is found. The two are told apart by whether there is memory.
 */
export function emptyOutputs(library: OpenvinoLibrary, request: Pointer, count: number): readonly number[] {
  return indices(count).filter(index => headOf(library, request, index).length === 0)
}

/** @param byteType number of uint8 in this build */
export function hasRoom(library: OpenvinoLibrary, byteType: number | undefined): boolean {
  try {
    const shape = { rank: 1, dims: BigInt64Array.of(BigInt(roomMiB * 2 ** 20)) }
    library.call('ov_tensor_free', library.out<Pointer>('ov_tensor_create', byteType, shape))
    return true
  } catch {
    return false
  }
}

/** The first bytes of an output as it is now, not copied; none where it has no memory. */
function headOf(library: OpenvinoLibrary, request: Pointer, index: number): Uint8Array {
  const tensor = library.out<Pointer>('ov_infer_request_get_output_tensor_by_index', request, index)
  try {
    const bytes = Number(library.out<number | bigint>('ov_tensor_get_byte_size', tensor))
    if (bytes === 0) return new Uint8Array(0)
    return new Uint8Array(library.view(library.out<Pointer>('ov_tensor_data', tensor), Math.min(bytes, mark.length)))
  } finally {
    library.call('ov_tensor_free', tensor)
  }
}

const indices = (count: number) => Array.from({ length: count }, (_, index) => index)
