import { QuantdError } from '../../errors.js'
import { askElementTypes, type ElementTypes } from '../../hardware/openvino/element-types.js'
import { type FindLibraryOptions, findOpenvino } from '../../hardware/openvino/find-library.js'
import { loadOpenvino, type OpenvinoLibrary, type Pointer } from '../../hardware/openvino/library.js'

/** OpenVINO as this process has it: the library, its core and what was learned of them. One per process, for its whole life. */
export interface Core {
  readonly library: OpenvinoLibrary
  readonly pointer: Pointer
  readonly types: ElementTypes
}

let opened: Core | undefined

/** @throws ERR_OPENVINO_MISSING, ERR_OPENVINO_LOAD, ERR_OPENVINO */
export function openCore(options: FindLibraryOptions = {}): Core {
  if (opened !== undefined) return opened
  const found = findOpenvino(options)
  if (found === undefined) throw new QuantdError('ERR_OPENVINO_MISSING', 'OpenVINO is not on this host')
  const library = loadOpenvino(found.path)
  const pointer = library.out<Pointer>('ov_core_create')
  opened = { library, pointer, types: askElementTypes(library, pointer) }
  return opened
}
