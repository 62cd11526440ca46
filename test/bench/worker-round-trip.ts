import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDeviceWorker } from '../../src/engines/worker/supervised-device-worker.js'
import { startChild } from '../../src/process/child.js'
import { encodeRequest } from '../../src/samples/encode-request.js'
import { Manifest } from '../../src/samples/manifest.js'

/**
 * Round trip of a request through an idle worker in milliseconds: `node dist/test/bench/worker-round-trip.js [bytes] [rounds]`. One request at a time.
 * pipe: there, with an empty answer; echo: there and back; device: through the device worker with a model that does nothing, decoded and encoded.
 */
const bytes = Math.round(Number(process.argv[2] ?? 150 * 1024) / 4) * 4
const rounds = Number(process.argv[3] ?? 3000)
const limits = { timeoutMs: 10_000 }

async function measure(title: string, request: () => Promise<unknown>): Promise<void> {
  const times: number[] = []
  for (let round = -200; round < rounds; round += 1) {
    const start = performance.now()
    await request()
    if (round >= 0) times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  const at = (share: number) => (times[Math.floor(share * (times.length - 1))] ?? Number.NaN).toFixed(3)
  process.stdout.write(`${title.padEnd(7)} ${bytes} bytes  p50 ${at(0.5)}  p95 ${at(0.95)}  p99 ${at(0.99)} ms  (${rounds} rounds)\n`)
}

const body = new Uint8Array(bytes).fill(7)
const child = startChild({ entry: new URL('../fixtures/workers/echo.js', import.meta.url), name: 'echo' })
await measure('pipe', () => child.channel.request({ do: 'count' }, body, limits))
await measure('echo', () => child.channel.request({ do: 'echo' }, body, limits))
await child.channel.close()

const folder = mkdtempSync(join(tmpdir(), 'quantd-bench-'))
const worker = await startDeviceWorker({ device: 'cpu0', memoryMiB: 4096, heartbeatS: 60 })
try {
  const artifact = join(folder, 'null.json')
  const spec = (name: string, size: number) => ({ name, dtype: 'float32', shape: ['n', size] })
  writeFileSync(artifact, JSON.stringify({ inputs: [spec('x', bytes / 4)], outputs: [spec('y', 10)] }))
  await worker.call(
    'open',
    { key: 'k', engine: 'null', artifact, manifest: Manifest.parse({}), modelName: 'null', version: '1', threads: 1 },
    limits,
  )
  const { body: encoded, ...meta } = encodeRequest(
    { x: { dtype: 'float32', shape: [1, bytes / 4], data: new Float32Array(bytes / 4) } },
    { form: 'oip' },
  )
  await measure('device', () => worker.call('infer', { key: 'k', ...meta }, { ...limits, body: encoded }))
} finally {
  await worker.close()
  rmSync(folder, { recursive: true })
}
