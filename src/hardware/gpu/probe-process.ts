import { create, globals } from 'webgpu'
import { type Adapter, int8DotProduct, shownLimits } from './adapter.js'

/**
 * Entry of the GPU probe process: asks Dawn for its adapters, prints them as one JSON line, ends. In a process of its own because a driver
 * may hang or take the process down; the parent counts both as an answer.
 */
Object.assign(globalThis, globals)
const backend = process.platform === 'darwin' ? 'metal' : process.platform === 'win32' ? 'd3d12' : 'vulkan'
const gpu = create([`backend=${backend}`])

const adapters = new Map<string, Adapter>()
for (const options of [
  { powerPreference: 'high-performance' },
  { powerPreference: 'low-power' },
  { forceFallbackAdapter: true },
] as const) {
  const adapter = await gpu.requestAdapter(options)
  if (adapter === null) continue
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info
  const language = gpu.wgslLanguageFeatures.has(int8DotProduct) ? [int8DotProduct] : []
  adapters.set(`${vendor}|${architecture}|${device}|${description}`, {
    vendor,
    architecture,
    device,
    description,
    backend,
    fallback: isFallbackAdapter,
    features: [...adapter.features, ...language].sort(),
    limits: Object.fromEntries(shownLimits.map(name => [name, adapter.limits[name] as number])),
  })
}
process.stdout.write(`${JSON.stringify([...adapters.values()])}\n`, () => process.exit(0))
