import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { startDeviceWorker } from '../../src/engines/worker/supervised-device-worker.js'
import { QuantdError } from '../../src/errors.js'
import { packageRoot } from '../../src/paths.js'
import { encodeRequest } from '../../src/samples/encode-request.js'
import { Manifest } from '../../src/samples/manifest.js'
import { contentTypes, type EncodedRequest } from '../../src/samples/request.js'
import { mutate, randomFrom } from '../fixtures/mutate.js'

/**
 * Mutated inference requests in every encoding through a device worker with the demo's model: `node dist/test/bench/fuzz-requests.js [count] [seed]`.
 * Each must end in an answer or in a coded error; the worker must not restart. Prints how they ended; status 1 when one did not.
 */
const count = Number(process.argv[2] ?? 10_000)
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000)
const random = randomFrom(seed)
const bundle = join(packageRoot, 'src/demo/data/bundle')

const pixels = Uint8Array.from({ length: 784 }, (_, i) => (i * 7) % 200)
const image = sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
const input = { input: { dtype: 'float32', shape: [1, 1, 28, 28], data: Float32Array.from(pixels) } } as const
const originals: readonly EncodedRequest[] = [
  encodeRequest(input, { form: 'json', id: 'a' }),
  encodeRequest(input, { form: 'oip', id: 'b' }),
  { contentType: contentTypes.raw, body: pixels },
  { contentType: contentTypes.png, body: await image.png().toBuffer() },
  { contentType: contentTypes.jpeg, body: await image.jpeg().toBuffer() },
]

const worker = await startDeviceWorker({ device: 'cpu0', memoryMiB: 4096, heartbeatS: 30 })
const ends = new Map<string, number>()
try {
  await worker.call(
    'open',
    {
      key: 'k',
      engine: 'onnxruntime',
      artifact: join(bundle, 'fashion-resnet.onnx'),
      manifest: Manifest.parse(JSON.parse(readFileSync(join(bundle, 'model.json'), 'utf8'))),
      modelName: 'fashion-resnet',
      version: '1',
      threads: 1,
    },
    { timeoutMs: 60_000 },
  )
  for (let round = 0; round < count; round += 1) {
    const original = originals[round % originals.length]!
    const body = mutate(original.body, random, originals[Math.floor(random() * originals.length)]!.body)
    const { contentType } = random() < 0.05 ? originals[Math.floor(random() * originals.length)]! : original
    const jsonLength = random() < 0.1 ? Math.floor(random() * 2 ** 32) : original.jsonLength
    const request = { key: 'k', contentType, ...(jsonLength === undefined ? {} : { jsonLength }) }
    const end = await worker.call('infer', request, { body, timeoutMs: 30_000 }).then(
      () => 'answered',
      (error: unknown) => (error instanceof QuantdError ? error.code : String(error)),
    )
    ends.set(end, (ends.get(end) ?? 0) + 1)
  }
} finally {
  const { restarts } = worker.figures()
  await worker.close()
  const isFine = ([end]: readonly [string, number]) => end === 'answered' || /^ERR_(REQUEST|ENGINE)_/.test(end)
  const wrong = [...ends].filter(end => !isFine(end))
  process.stdout.write(`seed ${seed}: ${count} requests, ${restarts} restarts\n`)
  for (const [end, times] of [...ends].sort(([, a], [, b]) => b - a)) process.stdout.write(`  ${String(times).padStart(6)} ${end}\n`)
  process.exitCode = wrong.length > 0 || restarts > 0 ? 1 : 0
}
