import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Device } from '../device.js'
import { runProbe } from '../probe-child.js'
import { type FindLibraryOptions, findOpenvino } from './find-library.js'

const Answer = z.object({
  build: z.string(),
  devices: z.array(z.object({ device: z.string(), name: z.string(), capabilities: z.array(z.string()) })),
})

/** Devices, or none with the reason in one sentence: no OpenVINO is a normal answer. */
export interface OpenvinoFindings {
  readonly devices: readonly Device[]
  readonly reason: string
  /** Path and build of the library, where one was found and loads. */
  readonly library?: { readonly path: string; readonly build: string }
}

export interface ProbeOpenvinoOptions extends FindLibraryOptions {
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** Entry file; tests hand in one that crashes or hangs. */
  readonly entry?: string
}

/** Looks for OpenVINO and asks it for its devices, in a process of its own; never throws for what a library does. */
export async function probeOpenvino({
  timeoutMs = 30_000,
  signal,
  entry = fileURLToPath(new URL('./probe-process.js', import.meta.url)),
  ...where
}: ProbeOpenvinoOptions = {}): Promise<OpenvinoFindings> {
  const found = findOpenvino(where)
  if (found === undefined) return { devices: [], reason: 'OpenVINO is not on this host: quantd setup openvino puts it there' }
  const { stdout, stderr, end } = await runProbe({ entry, timeoutMs, signal, args: [found.path] })
  const line = stdout.split('\n').find(text => text.startsWith('{'))
  const parsed = line === undefined ? undefined : Answer.safeParse(JSON.parse(line))
  if (parsed?.success !== true) {
    const complaint =
      stderr
        .split('\n')
        .find(text => /ERR_OPENVINO|error/i.test(text))
        ?.trim() ?? 'no message'
    return { devices: [], reason: `OpenVINO at ${found.path}: the probe ${end ?? 'ended without an answer'}: ${complaint.slice(0, 300)}` }
  }
  const { build, devices } = parsed.data
  return { devices: devices.map(toDevice({ path: found.path, build })), reason: '', library: { path: found.path, build } }
}

/** `CPU`, `GPU.0`, `NPU`: the part before the dot is the kind of device that its specs go by. */
const toDevice =
  (library: { readonly path: string; readonly build: string }) =>
  ({ device, name, capabilities }: z.infer<typeof Answer>['devices'][number]): Device => ({
    id: `openvino-${device.toLowerCase()}`,
    kind: 'openvino',
    name: `${name} by OpenVINO`,
    vendor: 'Intel',
    state: 'ready',
    target: undefined,
    why: '',
    features: capabilities,
    facts: { device: device.split('.')[0]!, name: device, build: library.build, library: library.path },
  })
