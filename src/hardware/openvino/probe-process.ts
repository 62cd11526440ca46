import { errorCode, errorMessage } from '../../errors.js'
import { loadOpenvino, type OpenvinoLibrary, type Pointer } from './library.js'
import { tryProduct } from './trial-product.js'

/** Types of which a device says that it reads models of them, and those it computes in, are one list in older releases: what it computes in is tried. */
const hints: Readonly<Record<string, string>> = { FP32: 'f32', BF16: 'bf16', FP16: 'f16' }

/**
 * Entry of the OpenVINO probe process: loads the library whose path is the argument, prints its build and devices as one JSON line, then what came of int8 on
 * the processor as another, ends. In a process of its own because a driver of a GPU or NPU, or a kernel, may hang or take the process down. What fails is one
 * line on stderr, with its code.
 */
try {
  const library = loadOpenvino(process.argv[2]!)
  const core = library.out<Pointer>('ov_core_create')
  const devices = devicesOf(library, core)
  process.stdout.write(`${JSON.stringify({ build: library.build, devices })}\n`)
  const processor = devices.find(({ device, capabilities }) => device === 'CPU' && capabilities.includes('INT8'))
  if (processor !== undefined) process.stdout.write(`${JSON.stringify({ int8: tried(library, core) })}\n`)
  process.stdout.write('', () => process.exit(0))
} catch (error) {
  process.stderr.write(`${errorCode(error)}: ${errorMessage(error)}\n`, () => process.exit(1))
}

function devicesOf(library: OpenvinoLibrary, core: Pointer) {
  const listed: { devices?: Pointer; size?: number | bigint } = {}
  library.check('ov_core_get_available_devices', core, listed)
  const names = library.decodeStrings(listed.devices!, Number(listed.size))
  const property = (device: string, key: string) => library.out<string>('ov_core_get_property', core, device, key)
  return names.map(device => ({
    device,
    name: property(device, 'FULL_DEVICE_NAME'),
    capabilities: property(device, 'OPTIMIZATION_CAPABILITIES')
      .split(' ')
      .filter(capability => takes(library, core, { device, capability })),
  }))
}

/** False for a type that the device refuses to compute in; a device without the choice computes in what it lists. */
function takes(
  library: OpenvinoLibrary,
  core: Pointer,
  { device, capability }: { readonly device: string; readonly capability: string },
): boolean {
  const hint = hints[capability]
  if (hint === undefined) return true
  const set = (value: string) =>
    library.check('ov_core_set_property', core, device, 'const char *', 'INFERENCE_PRECISION_HINT', 'const char *', value)
  if (!succeeds(() => set('f32'))) return true
  const taken = succeeds(() => set(hint))
  set('f32')
  return taken
}

/** 'ok', or why an int8 product cannot be computed. */
function tried(library: OpenvinoLibrary, core: Pointer): string {
  try {
    tryProduct({ library, core, device: 'CPU' })
    return 'ok'
  } catch (error) {
    return errorMessage(error)
  }
}

function succeeds(work: () => void): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}
