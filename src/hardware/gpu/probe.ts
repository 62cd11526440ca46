import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Device } from '../device.js'
import { runProbe } from '../probe-child.js'
import { int8DotProduct } from './adapter.js'

const Adapters = z.array(
  z.object({
    vendor: z.string(),
    architecture: z.string(),
    device: z.string(),
    description: z.string(),
    backend: z.string(),
    fallback: z.boolean(),
    features: z.array(z.string()),
    limits: z.record(z.string(), z.number()),
  }),
)
type Adapter = z.infer<typeof Adapters>[number]

/** Devices, or none with the reason in one sentence: no GPU is a normal answer. */
export interface GpuFindings {
  readonly devices: readonly Device[]
  readonly reason: string
}

export interface ProbeGpuOptions {
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** Environment of the probe process; tests point it at a software driver. */
  readonly env?: NodeJS.ProcessEnv
  /** Entry file; tests hand in one that crashes or hangs. */
  readonly entry?: string
}

const softwarePattern = /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i

function toDevice(adapter: Adapter, index: number): Device {
  const { vendor, architecture, device, description, backend, fallback, features, limits } = adapter
  const software = fallback || softwarePattern.test([architecture, device, description].join(' '))
  const mib = (name: string): number => Math.floor((limits[name] ?? 0) / 2 ** 20)
  return {
    id: `gpu${index}`,
    kind: 'webgpu',
    name: description || device || architecture || vendor || 'GPU',
    vendor: vendor || 'unknown',
    state: 'ready',
    target: undefined,
    why: '',
    features,
    facts: {
      backend,
      architecture,
      software,
      // Dawn emulates the instruction where the hardware lacks it: the language feature says that kernels may be written with it.
      int8_dot_product: features.includes(int8DotProduct),
      max_buffer_mib: mib('maxBufferSize'),
      max_storage_binding_mib: mib('maxStorageBufferBindingSize'),
      max_workgroup_invocations: limits.maxComputeInvocationsPerWorkgroup ?? 0,
      max_workgroup_storage_bytes: limits.maxComputeWorkgroupStorageSize ?? 0,
    },
  }
}

/** First line of what Dawn or the loader complained about, without its source position. */
function complaint(stderr: string): string {
  const line = stderr.split('\n').find(text => /warning|error|cannot|fail/i.test(text)) ?? ''
  return line
    .replace(/^\s*(Warning|Error):\s*/i, '')
    .trim()
    .slice(0, 200)
}

function findings(stdout: string, stderr: string, end: string | undefined): GpuFindings {
  const line = stdout.split('\n').find(text => text.startsWith('['))
  if (line === undefined)
    return { devices: [], reason: `the GPU probe ${end ?? 'ended without an answer'}: ${complaint(stderr) || 'no message'}` }
  const adapters = Adapters.parse(JSON.parse(line))
  if (adapters.length > 0) return { devices: adapters.map(toDevice), reason: '' }
  return { devices: [], reason: `no GPU adapter: ${complaint(stderr) || 'no driver offers one'}` }
}

/** Looks for GPUs by WebGPU in a process of its own; never throws for what a driver does. What it printed counts even if it crashed afterwards. */
export async function probeGpu({
  timeoutMs = 20_000,
  signal,
  env = process.env,
  entry = fileURLToPath(new URL('./probe-process.js', import.meta.url)),
}: ProbeGpuOptions = {}): Promise<GpuFindings> {
  const { stdout, stderr, end } = await runProbe({ entry, timeoutMs, signal, env })
  try {
    return findings(stdout, stderr, end)
  } catch {
    return { devices: [], reason: 'the GPU probe answered with something else than adapters' }
  }
}
