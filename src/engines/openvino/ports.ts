import { dtypes } from '../../graph/tensor/dtype.js'
import type { TensorSpec } from '../../graph/tensor/spec.js'
import type { Pointer } from '../../hardware/openvino/library.js'
import type { Core } from './core.js'

export interface PortsOf {
  /** As it was read: compiling may merge the names of a value with those of others that equal it. */
  readonly model: Pointer
  readonly compiled: Pointer
}

/** Inputs or outputs of a compiled model, in its order. @throws ERR_OPENVINO; Error for a type that no tensor here has */
export function readPorts({ library, types }: Core, { model, compiled }: PortsOf, side: 'input' | 'output'): readonly TensorSpec[] {
  const count = Number(library.out<number | bigint>(`ov_compiled_model_${side}s_size`, compiled))
  return Array.from({ length: count }, (_, index) => {
    const name = nameOf(library, library.out<Pointer>(`ov_model_const_${side}_by_index`, model, index))
    const port = library.out<Pointer>(`ov_compiled_model_${side}_by_index`, compiled, index)
    try {
      const number = library.out<number>('ov_port_get_element_type', port)
      const dtype = types.dtypeOf(number)
      if (dtype === undefined || dtypes[dtype].array === undefined) throw new Error(`${side} '${name}' has element type ${number}`)
      return Object.freeze({ name, dtype, shape: Object.freeze(readShape(library, port)) })
    } finally {
      library.call('ov_output_const_port_free', port)
    }
  })
}

function nameOf(library: Core['library'], port: Pointer): string {
  try {
    return library.out<string>('ov_port_get_any_name', port)
  } finally {
    library.call('ov_output_const_port_free', port)
  }
}

/** Sizes of a port; undefined where one is free. A port of unknown rank counts as one without sizes. */
function readShape(library: Core['library'], port: Pointer): readonly (number | undefined)[] {
  const shape: { rankLow?: number | bigint; rankHigh?: number | bigint; dims?: Pointer } = {}
  library.check('ov_port_get_partial_shape', port, shape)
  const rank = Number(shape.rankHigh)
  if (rank <= 0 || Number(shape.rankLow) !== rank) return []
  const ends = library.decodeInt64s(shape.dims!, 2 * rank)
  return Array.from({ length: rank }, (_, axis) =>
    ends[2 * axis] === ends[2 * axis + 1] && ends[2 * axis]! >= 0 ? ends[2 * axis] : undefined,
  )
}
