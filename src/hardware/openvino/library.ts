import { createRequire } from 'node:module'
import { errorMessage, QuantdError } from '../../errors.js'

/** The part of koffi that is used here: it ships no types for `require`. */
interface Koffi {
  load(path: string): NativeLibrary
  struct(name: string, fields: Readonly<Record<string, string>>): unknown
  /** A value that is given back by `free` once it is a JavaScript one. */
  disposable(type: string, free: NativeFunction): unknown
  array(type: string, length: number): unknown
  decode(pointer: Pointer, type: unknown): unknown
  view(pointer: Pointer, bytes: number): ArrayBuffer
}

interface NativeLibrary {
  func(prototype: string): NativeFunction
  func(name: string, result: unknown, parameters: readonly unknown[]): NativeFunction
  unload(): void
}

type NativeFunction = ((...values: readonly unknown[]) => unknown) & {
  async(...values: readonly unknown[]): void
}

/** Address of an object of the C library, released by the function of its kind, or of memory. */
export type Pointer = bigint

/**
 * Functions of OpenVINO's C API that quantd calls, with their prototypes (openvino/c/*.h). Out-parameters are one-element arrays. All of them are in every
 * release from 2022.3 on.
 */
const prototypes = {
  ov_get_openvino_version: 'int ov_get_openvino_version(_Out_ quantd_ov_version *version)',
  ov_core_create: 'int ov_core_create(_Out_ void **core)',
  ov_core_free: 'void ov_core_free(void *core)',
  ov_core_get_available_devices: 'int ov_core_get_available_devices(void *core, _Out_ quantd_ov_devices *devices)',
  ov_available_devices_free: 'void ov_available_devices_free(quantd_ov_devices *devices)',
  ov_core_get_property: 'int ov_core_get_property(void *core, const char *device, const char *key, _Out_ const char **value)',
  ov_core_set_property: 'int ov_core_set_property(void *core, const char *device, ...)',
  ov_core_read_model: 'int ov_core_read_model(void *core, const char *path, const char *weights, _Out_ void **model)',
  ov_model_free: 'void ov_model_free(void *model)',
  ov_core_compile_model:
    'int ov_core_compile_model(void *core, void *model, const char *device, size_t property_count, _Out_ void **compiled, ...)',
  ov_compiled_model_free: 'void ov_compiled_model_free(void *compiled)',
  ov_compiled_model_get_property: 'int ov_compiled_model_get_property(void *compiled, const char *key, _Out_ const char **value)',
  ov_compiled_model_inputs_size: 'int ov_compiled_model_inputs_size(void *compiled, _Out_ size_t *count)',
  ov_compiled_model_outputs_size: 'int ov_compiled_model_outputs_size(void *compiled, _Out_ size_t *count)',
  ov_compiled_model_input_by_index: 'int ov_compiled_model_input_by_index(void *compiled, size_t index, _Out_ void **port)',
  ov_compiled_model_output_by_index: 'int ov_compiled_model_output_by_index(void *compiled, size_t index, _Out_ void **port)',
  ov_output_const_port_free: 'void ov_output_const_port_free(void *port)',
  ov_port_get_any_name: 'int ov_port_get_any_name(void *port, _Out_ const char **name)',
  ov_port_get_element_type: 'int ov_port_get_element_type(void *port, _Out_ int *type)',
  ov_port_get_partial_shape: 'int ov_port_get_partial_shape(void *port, _Out_ quantd_ov_partial_shape *shape)',
  ov_partial_shape_free: 'void ov_partial_shape_free(quantd_ov_partial_shape *shape)',
  ov_model_const_output_by_index: 'int ov_model_const_output_by_index(void *model, size_t index, _Out_ void **port)',
  ov_model_const_input_by_index: 'int ov_model_const_input_by_index(void *model, size_t index, _Out_ void **port)',
  ov_compiled_model_create_infer_request: 'int ov_compiled_model_create_infer_request(void *compiled, _Out_ void **request)',
  ov_infer_request_free: 'void ov_infer_request_free(void *request)',
  ov_infer_request_set_input_tensor_by_index: 'int ov_infer_request_set_input_tensor_by_index(void *request, size_t index, void *tensor)',
  ov_infer_request_get_output_tensor_by_index:
    'int ov_infer_request_get_output_tensor_by_index(void *request, size_t index, _Out_ void **tensor)',
  ov_infer_request_infer: 'int ov_infer_request_infer(void *request)',
  ov_infer_request_start_async: 'int ov_infer_request_start_async(void *request)',
  ov_infer_request_wait: 'int ov_infer_request_wait(void *request)',
  ov_infer_request_get_profiling_info: 'int ov_infer_request_get_profiling_info(void *request, _Out_ quantd_ov_profile *profile)',
  ov_profiling_info_list_free: 'void ov_profiling_info_list_free(quantd_ov_profile *profile)',
  ov_tensor_create: 'int ov_tensor_create(int type, quantd_ov_shape shape, _Out_ void **tensor)',
  ov_tensor_free: 'void ov_tensor_free(void *tensor)',
  ov_tensor_get_shape: 'int ov_tensor_get_shape(void *tensor, _Out_ quantd_ov_shape *shape)',
  ov_shape_free: 'int ov_shape_free(quantd_ov_shape *shape)',
  ov_tensor_get_element_type: 'int ov_tensor_get_element_type(void *tensor, _Out_ int *type)',
  ov_tensor_get_byte_size: 'int ov_tensor_get_byte_size(void *tensor, _Out_ size_t *bytes)',
  ov_tensor_data: 'int ov_tensor_data(void *tensor, _Out_ void **data)',
  ov_get_error_info: 'const char *ov_get_error_info(int status)',
  ov_free: 'void ov_free(void *content)',
} as const
type FunctionName = keyof typeof prototypes

/** Every release has one that is older than the functions above: tells a release from before them from what is no OpenVINO. */
const oldVersionPrototype = 'quantd_ie_version ie_c_api_version()'

/** Parameters that the caller got wrong: these alone leave the text of an earlier error standing. */
const invalidParameters = -14

const structs = {
  quantd_ie_version: { text: 'const char *' },
  quantd_ov_version: { buildNumber: 'const char *', description: 'const char *' },
  quantd_ov_devices: { devices: 'void *', size: 'size_t' },
  quantd_ov_shape: { rank: 'int64_t', dims: 'void *' },
  quantd_ov_partial_shape: { rankLow: 'int64_t', rankHigh: 'int64_t', dims: 'void *' },
  quantd_ov_profile: { infos: 'void *', size: 'size_t' },
  quantd_ov_profile_entry: {
    status: 'int',
    realUs: 'int64_t',
    cpuUs: 'int64_t',
    nodeName: 'const char *',
    execType: 'const char *',
    nodeType: 'const char *',
  },
} as const

/** Functions of the loaded library by name; every call that gives a status goes through `check`. */
export interface OpenvinoLibrary {
  readonly path: string
  /** As the library says it: 2026.4.1-22982-e213a147257-releases/2026/4. */
  readonly build: string
  /** False for releases up to 2023.0, which say that a call failed and not why. */
  readonly tellsErrors: boolean
  call(name: FunctionName, ...values: readonly unknown[]): unknown
  /** A call whose status must be 0, on this thread. @throws ERR_OPENVINO with OpenVINO's own text */
  check(name: FunctionName, ...values: readonly unknown[]): void
  /** The same on a thread of the pool. */
  checkAsync(name: FunctionName, ...values: readonly unknown[]): Promise<void>
  /** The out-parameter of a call. */
  out<T>(name: FunctionName, ...values: readonly unknown[]): T
  decodeStrings(pointer: Pointer, count: number): readonly string[]
  decodeInt64s(pointer: Pointer, count: number): readonly number[]
  decodeProfile(pointer: Pointer, count: number): readonly ProfileEntry[]
  /** Memory at `pointer`, not copied: valid as long as what it belongs to. */
  view(pointer: Pointer, bytes: number): ArrayBuffer
}

/** One executed node of a compiled model. */
export interface ProfileEntry {
  readonly nodeName: string
  /** Kernel with its precision behind the last underscore: brgconv_avx512_amx_I8. */
  readonly execType: string
  readonly nodeType: string
  readonly realUs: number
  /** False for what was left out or runs inside of another node. */
  readonly ran: boolean
}

/** `EXECUTED` of `ov_profiling_info_t`. */
const executedStatus = 2

type RawProfileEntry = Omit<ProfileEntry, 'ran'> & { readonly status: number; readonly cpuUs: number }

const loaded = new Map<string, OpenvinoLibrary>()
let knownTypes = false

/**
 * Loads OpenVINO's C library, once per path and process. A file that is refused may be replaced by another, and is read anew by the next call.
 * @throws ERR_OPENVINO_LOAD when the file is no such library, ERR_OPENVINO_VERSION when it is one from before the C API of 2022.3
 */
export function loadOpenvino(path: string): OpenvinoLibrary {
  const known = loaded.get(path)
  if (known !== undefined) return known
  const library = load(path)
  loaded.set(path, library)
  return library
}

function load(path: string): OpenvinoLibrary {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi
  if (!knownTypes) for (const [name, fields] of Object.entries(structs)) koffi.struct(name, fields)
  knownTypes = true
  const native = open(koffi, path)
  const functions = bind(native, path)
  const lastError = lastErrorOf(koffi, native, functions.ov_free)
  const text = (status: number) => {
    const told = status === invalidParameters ? '' : (lastError?.()?.trim() ?? '')
    if (told !== '') return told
    const hint = lastError === undefined ? ' (this release of OpenVINO tells no more)' : ''
    return `${String(functions.ov_get_error_info(status))}${hint}`
  }
  const failure = (name: FunctionName, status: number) =>
    new QuantdError('ERR_OPENVINO', `${name}: ${text(status)}`, { details: { function: name, status } })
  const check: OpenvinoLibrary['check'] = (name, ...values) => {
    const status = functions[name](...values) as number
    if (status !== 0) throw failure(name, status)
  }
  const version: { buildNumber?: string } = {}
  check('ov_get_openvino_version', version)
  return {
    path,
    build: version.buildNumber ?? 'unknown',
    tellsErrors: lastError !== undefined,
    call: (name, ...values) => functions[name](...values),
    check,
    checkAsync: (name, ...values) =>
      new Promise((resolve, reject) => {
        functions[name].async(...values, (error: Error | null, status: number) => {
          if (error !== null) reject(error)
          else if (status !== 0) reject(failure(name, status))
          else resolve()
        })
      }),
    out<T>(name: FunctionName, ...values: readonly unknown[]): T {
      const result: [T | null] = [null]
      check(name, ...values, result)
      return result[0] as T
    },
    decodeStrings: (pointer, count) => koffi.decode(pointer, koffi.array('const char *', count)) as string[],
    decodeInt64s: (pointer, count) => (count === 0 ? [] : numbersOf(new BigInt64Array(koffi.view(pointer, 8 * count)))),
    decodeProfile: (pointer, count) =>
      (koffi.decode(pointer, koffi.array('quantd_ov_profile_entry', count)) as RawProfileEntry[]).map(({ status, cpuUs: _, ...entry }) => ({
        ...entry,
        ran: status === executedStatus,
      })),
    view: (pointer, bytes) => koffi.view(pointer, bytes),
  }
}

/** @throws ERR_OPENVINO_LOAD with the loader's own text */
function open(koffi: Koffi, path: string): NativeLibrary {
  try {
    return koffi.load(path)
  } catch (error) {
    throw new QuantdError('ERR_OPENVINO_LOAD', `'${path}': ${errorMessage(error)}`, { cause: error, details: { path } })
  }
}

/** @throws ERR_OPENVINO_LOAD, ERR_OPENVINO_VERSION */
function bind(native: NativeLibrary, path: string): Readonly<Record<FunctionName, NativeFunction>> {
  try {
    const functions = Object.entries(prototypes).map(([name, prototype]) => [name, native.func(prototype)])
    return Object.fromEntries(functions) as Record<FunctionName, NativeFunction>
  } catch (error) {
    const older = optional(() => (native.func(oldVersionPrototype)() as { readonly text: string }).text)
    // Else the next call would get this one again, whatever file has its place by then.
    native.unload()
    const facts = { cause: error, details: { path } }
    if (older === undefined)
      throw new QuantdError('ERR_OPENVINO_LOAD', `'${path}' is not OpenVINO's C library: ${errorMessage(error)}`, facts)
    throw new QuantdError(
      'ERR_OPENVINO_VERSION',
      `'${path}' is OpenVINO ${older}, which is older than 2022.3: ${errorMessage(error)}`,
      facts,
    )
  }
}

/** Tells in words what went wrong last, whoever's call it was; missing up to 2023.0, where the status alone has to do. */
function lastErrorOf(koffi: Koffi, native: NativeLibrary, free: NativeFunction): (() => string | null) | undefined {
  return optional(() => native.func('ov_get_last_err_msg', koffi.disposable('const char *', free), []) as () => string | null)
}

/** `Array.from` takes five times as long, which counts once an inference. */
function numbersOf(values: BigInt64Array): number[] {
  const numbers: number[] = []
  for (let at = 0; at < values.length; at += 1) numbers.push(Number(values[at]!))
  return numbers
}

function optional<T>(find: () => T): T | undefined {
  try {
    return find()
  } catch {
    return undefined
  }
}
