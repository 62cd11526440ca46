import { errorCode, errorMessage } from '../../errors.js'
import { loadOpenvino, type Pointer } from './library.js'

/**
 * Entry of the OpenVINO probe process: loads the library whose path is the argument, prints its build and devices as one JSON line, ends. In a process of its
 * own because a driver of a GPU or NPU may hang or take the process down. What fails is one line on stderr, with its code.
 */
try {
  process.stdout.write(`${JSON.stringify(describe(process.argv[2]!))}\n`, () => process.exit(0))
} catch (error) {
  process.stderr.write(`${errorCode(error)}: ${errorMessage(error)}\n`, () => process.exit(1))
}

function describe(path: string) {
  const library = loadOpenvino(path)
  const core = library.out<Pointer>('ov_core_create')
  const listed: { devices?: Pointer; size?: number | bigint } = {}
  library.check('ov_core_get_available_devices', core, listed)
  const names = library.decodeStrings(listed.devices!, Number(listed.size))
  const property = (device: string, key: string) => library.out<string>('ov_core_get_property', core, device, key)
  const devices = names.map(device => ({
    device,
    name: property(device, 'FULL_DEVICE_NAME'),
    capabilities: property(device, 'OPTIMIZATION_CAPABILITIES').split(' '),
  }))
  return { build: library.build, devices }
}
