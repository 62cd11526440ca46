import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Device } from '../device.js'
import { type ProbeAnswer, runProbe } from '../probe-child.js'
import { type FindLibraryOptions, findOpenvino, findPackageWithoutC } from './find-library.js'

const Answer = z.object({
  build: z.string(),
  devices: z.array(z.object({ device: z.string(), name: z.string(), capabilities: z.array(z.string()) })),
})
type Answer = z.infer<typeof Answer>

/** What came of an int8 product on the processor: 'ok', or why not. */
const Trial = z.object({ int8: z.string() })

/** Instruction set that oneDNN's kernels stop at where those above it fail: without AMX, with bfloat16. */
const withoutAmx = { ONEDNN_MAX_CPU_ISA: 'AVX512_CORE_BF16' } as const

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

/**
 * Looks for OpenVINO and asks it for its devices, in a process of its own; never throws for what a library does. Where int8 fails on the processor it is tried
 * again without AMX; `openvinoEnv` carries what came of that.
 */
export async function probeOpenvino({
  timeoutMs = 30_000,
  signal,
  entry = fileURLToPath(new URL('./probe-process.js', import.meta.url)),
  ...where
}: ProbeOpenvinoOptions = {}): Promise<OpenvinoFindings> {
  const found = findOpenvino(where)
  if (found === undefined) return { devices: [], reason: missing(where) }
  const ask = async (env: NodeJS.ProcessEnv = process.env) => read(await runProbe({ entry, timeoutMs, signal, env, args: [found.path] }))
  const first = await ask()
  if ('reason' in first) return { devices: [], reason: `OpenVINO at ${found.path}: ${first.reason}` }
  const { build, devices } = first.answer
  const second = first.int8 === 'ok' || 'ONEDNN_MAX_CPU_ISA' in process.env ? undefined : await ask({ ...process.env, ...withoutAmx })
  const capped = second !== undefined && 'int8' in second && second.int8 === 'ok'
  const library = { path: found.path, build }
  return { devices: devices.map(device => toDevice(device, { library, int8: first.int8, capped })), reason: '', library }
}

/** What the process of an OpenVINO device needs in its environment: where the library is, and which kernels it may use. */
export function openvinoEnv({ facts }: Device): Readonly<Record<string, string>> {
  return { OPENVINO_DIR: dirname(String(facts.library)), ...(facts.without_amx === true ? withoutAmx : {}) }
}

/** A package without the C library is said to be there: who installed it wonders. */
function missing(where: FindLibraryOptions): string {
  const packaged = findPackageWithoutC(where)
  return packaged === undefined
    ? 'OpenVINO is not on this host: quantd setup openvino puts it there'
    : `OpenVINO in ${packaged} comes without its C library (libopenvino_c.so), as Python wheels up to 2024.2 do: quantd setup openvino puts a newer one beside it`
}

type Read = { readonly answer: Answer; readonly int8: string } | { readonly reason: string }

function read({ stdout, stderr, end }: ProbeAnswer): Read {
  const [devices, trial] = stdout.split('\n').filter(text => text.startsWith('{'))
  const answer = devices === undefined ? undefined : Answer.safeParse(JSON.parse(devices))
  if (answer?.success !== true) {
    const complaint =
      stderr
        .split('\n')
        .find(text => /ERR_OPENVINO|error/i.test(text))
        ?.trim() ?? 'no message'
    return { reason: `the probe ${end ?? 'ended without an answer'}: ${complaint.slice(0, 300)}` }
  }
  const hasProcessor = answer.data.devices.some(({ device, capabilities }) => device === 'CPU' && capabilities.includes('INT8'))
  const tried = trial === undefined ? undefined : Trial.safeParse(JSON.parse(trial))
  return { answer: answer.data, int8: tried?.data?.int8 ?? (hasProcessor ? `the probe ${end ?? 'gave no answer'}` : 'ok') }
}

interface Findings {
  readonly library: { readonly path: string; readonly build: string }
  /** Of the processor. */
  readonly int8: string
  /** It is 'ok' without AMX. */
  readonly capped: boolean
}

/** `CPU`, `GPU.0`, `NPU`, `MYRIAD.1.4-ma2480`: the part before the dot is the kind of device that its specs go by. */
function toDevice({ device, name, capabilities }: Answer['devices'][number], { library, int8, capped }: Findings): Device {
  const kind = device.split('.')[0]!
  const fails = kind === 'CPU' && int8 !== 'ok'
  return {
    id: `openvino-${device.toLowerCase()}`,
    kind: 'openvino',
    name: `${name} by OpenVINO`,
    vendor: 'Intel',
    state: 'ready',
    target: undefined,
    why: fails ? `int8 matrix products of this release fail here${capped ? ' with AMX, which it is run without' : ''} (${int8})` : '',
    features: capabilities,
    facts: { device: kind, name: device, build: library.build, library: library.path, ...(fails && capped ? { without_amx: true } : {}) },
  }
}
