import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NumericDType } from '../../graph/tensor/dtype.js'
import type { OpenvinoLibrary, Pointer } from './library.js'

/** Names of element types in IR files, by ours. */
const irNames = {
  float32: 'f32',
  float64: 'f64',
  float16: 'f16',
  bfloat16: 'bf16',
  int8: 'i8',
  uint8: 'u8',
  int16: 'i16',
  uint16: 'u16',
  int32: 'i32',
  uint32: 'u32',
  int64: 'i64',
  uint64: 'u64',
  bool: 'boolean',
} as const satisfies Partial<Record<NumericDType, string>>

/** Element types as this build of OpenVINO numbers them. */
export interface ElementTypes {
  /** @throws nothing: undefined for a type that OpenVINO does not have */
  numberOf(dtype: NumericDType): number | undefined
  dtypeOf(number: number): NumericDType | undefined
}

/**
 * The numbers of the C API's `ov_element_type_e` moved between releases (float32 is 5 in 2022.3 and 4 in 2026), so they are asked of the library itself: a
 * model with one input per type is read, and the types of its ports are looked at.
 * @throws ERR_OPENVINO
 */
export function askElementTypes(library: OpenvinoLibrary, core: Pointer): ElementTypes {
  const folder = mkdtempSync(join(tmpdir(), 'quantd-openvino-'))
  const path = join(folder, 'types.xml')
  try {
    writeFileSync(path, modelOfTypes(Object.values(irNames)))
    const model = library.out<Pointer>('ov_core_read_model', core, path, null)
    try {
      const numbers = Object.keys(irNames).map((dtype, index) => {
        const port = library.out<Pointer>('ov_model_const_input_by_index', model, index)
        const number = library.out<number>('ov_port_get_element_type', port)
        library.call('ov_output_const_port_free', port)
        return [dtype as NumericDType, number] as const
      })
      const byDtype = new Map(numbers)
      const byNumber = new Map(numbers.map(([dtype, number]) => [number, dtype]))
      return { numberOf: dtype => byDtype.get(dtype), dtypeOf: number => byNumber.get(number) }
    } finally {
      library.call('ov_model_free', model)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** IR v11, which every release with this API reads: an input of one element per type, each its own output. */
function modelOfTypes(types: readonly string[]): string {
  const port = (type: string) => `<port id="0" precision="${type === 'boolean' ? 'BOOL' : irPrecision(type)}"><dim>1</dim></port>`
  const layers = types.flatMap((type, index) => [
    `<layer id="${2 * index}" name="p${index}" type="Parameter" version="opset1"><data shape="1" element_type="${type}"/><output>${port(type)}</output></layer>`,
    `<layer id="${2 * index + 1}" name="r${index}" type="Result" version="opset1"><input>${port(type)}</input></layer>`,
  ])
  const edges = types.map((_, index) => `<edge from-layer="${2 * index}" from-port="0" to-layer="${2 * index + 1}" to-port="0"/>`)
  return `<?xml version="1.0"?><net name="types" version="11"><layers>${layers.join('')}</layers><edges>${edges.join('')}</edges></net>`
}

/** f32 -> FP32, bf16 -> BF16, u8 -> U8. */
const irPrecision = (type: string) => (/^f\d/.test(type) ? `FP${type.slice(1)}` : type.toUpperCase())
