import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import type { DeviceWorker } from '../../../src/engines/worker/device-worker.js'
import { type DeviceWorkerOptions, startDeviceWorker } from '../../../src/engines/worker/supervised-device-worker.js'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'
import { packageRoot } from '../../../src/paths.js'
import { decodeResponse } from '../../../src/samples/decode-response.js'
import { encodeRequest } from '../../../src/samples/encode-request.js'
import { Manifest } from '../../../src/samples/manifest.js'
import type { EncodedRequest } from '../../../src/samples/request.js'

const limits = { timeoutMs: 20_000 }
const bundle = join(packageRoot, 'src/demo/data/bundle')

async function started(t: Test, options: Partial<DeviceWorkerOptions> = {}): Promise<DeviceWorker> {
  const worker = await startDeviceWorker({
    device: 'cpu0',
    memoryMiB: 4096,
    heartbeatS: 60,
    backOff: { firstMs: 1, factor: 2, ceilingMs: 20, jitter: 0 },
    ...options,
  })
  t.teardown(() => worker.close())
  return worker
}

interface NullOptions {
  readonly key?: string
  readonly latencyMs?: number
  readonly manifest?: unknown
}

async function openNull(t: Test, worker: DeviceWorker, { key = 'k', latencyMs = 0, manifest = {} }: NullOptions = {}): Promise<string> {
  const artifact = join(t.testdirName, `${key}.json`)
  writeFileSync(
    artifact,
    JSON.stringify({
      inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 2] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 1] }],
      fill: 'sum',
      latency_ms: latencyMs,
    }),
  )
  const request = { key, engine: 'null', artifact, manifest: Manifest.parse(manifest), modelName: 'm', version: '1', threads: 1 }
  await worker.call('open', request, limits)
  return artifact
}

const x = (values: readonly number[]): Tensor => ({ dtype: 'float32', shape: [values.length / 2, 2], data: Float32Array.from(values) })

async function infer(worker: DeviceWorker, request: EncodedRequest, key = 'k') {
  const { body, ...rest } = request
  const answer = await worker.call('infer', { key, ...rest }, { ...limits, body })
  return { meta: answer.meta, ...decodeResponse({ ...answer.meta, body: answer.body }) }
}

test('a model is opened, answers in the form of the request, and is closed', async t => {
  t.testdir()
  const worker = await started(t)
  await openNull(t, worker)
  for (const form of ['json', 'oip', 'raw'] as const) {
    const answer = await infer(worker, encodeRequest({ x: x([1, 2]) }, { form, id: 'r1' }))
    t.strictSame(answer.outputs.y?.data, Float32Array.of(3))
    t.equal(answer.modelName, 'm')
    t.equal(answer.id, form === 'raw' ? undefined : 'r1')
    t.equal(answer.meta.batched, 1)
  }
  t.match((await worker.call('stats', {}, limits)).meta, { keys: ['k'], inFlight: 0 })
  await t.rejects(infer(worker, encodeRequest({ x: x([1, 2]) }, { form: 'json' }), 'other'), { code: 'ERR_WORKER_KEY' })
  await t.rejects(infer(worker, encodeRequest({ y: x([1, 2]) }, { form: 'json' })), {
    code: 'ERR_REQUEST_INPUTS',
    details: { expected: ['x'] },
  })
  await worker.call('close', { key: 'k' }, limits)
  await t.rejects(infer(worker, encodeRequest({ x: x([1, 2]) }, { form: 'json' })), { code: 'ERR_WORKER_KEY' })
})

test('a model of the demo classifies pixels and an image of them alike, with its margin', async t => {
  const worker = await started(t)
  const manifest = Manifest.parse(JSON.parse(readFileSync(join(bundle, 'model.json'), 'utf8')))
  const artifact = join(bundle, 'fashion-resnet.onnx')
  const opened = await worker.call(
    'open',
    { key: 'f', engine: 'onnxruntime', artifact, manifest, modelName: 'fashion', version: '1', threads: 1 },
    limits,
  )
  t.match(opened.meta.inputs, [{ name: 'input', dtype: 'float32', shape: ['batch', 1, 28, 28] }])
  const pixels = Uint8Array.from({ length: 784 }, (_, i) => (i * 7) % 200)
  const raw = await infer(worker, { contentType: 'application/octet-stream', body: pixels }, 'f')
  const { default: sharp } = await import('sharp')
  const png = await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
    .png()
    .toBuffer()
  const image = await infer(worker, { contentType: 'image/png', body: png }, 'f')
  t.strictSame(image.outputs, raw.outputs)
  t.ok((raw.meta.confidence ?? -1) >= 0 && (raw.meta.confidence ?? 2) <= 1)
  t.ok(raw.meta.inferUs > 0)
})

test('waiting requests of a model that allows it share an inference', async t => {
  t.testdir()
  const worker = await started(t)
  await openNull(t, worker, { latencyMs: 50, manifest: { batch: 4 } })
  const requests = [1, 2, 3, 4, 5].map(value => infer(worker, encodeRequest({ x: x([value, 0]) }, { form: 'oip' })))
  const answers = await Promise.all(requests)
  t.strictSame(
    answers.map(({ outputs }) => outputs.y?.data[0]),
    [1, 2, 3, 4, 5],
  )
  t.ok(Math.max(...answers.map(({ meta }) => meta.batched)) > 1)
})

test('sessions are compared in turn, with as many times as rounds', async t => {
  t.testdir()
  const worker = await started(t)
  await openNull(t, worker, { key: 'a' })
  await openNull(t, worker, { key: 'b' })
  const { body, contentType } = encodeRequest({ x: x([1, 2]) }, { form: 'json' })
  const { meta } = await worker.call('compare', { keys: ['a', 'b'], rounds: 7, contentType }, { ...limits, body })
  t.strictSame(
    meta.timesUs.map(times => times.length),
    [7, 7],
  )
  t.ok(meta.timesUs.flat().every(us => us >= 0))
})

test('kill -9 in the middle of an inference: the call is told, and the next is answered with every model open again', async t => {
  t.testdir()
  const worker = await started(t)
  await openNull(t, worker, { key: 'slow', latencyMs: 400 })
  await openNull(t, worker, { key: 'k' })
  await openNull(t, worker, { key: 'gone' })
  await worker.call('close', { key: 'gone' }, limits)
  const events: string[] = []
  worker.on(event => events.push(event))
  const slow = infer(worker, encodeRequest({ x: x([1, 2]) }, { form: 'oip' }), 'slow')
  await infer(worker, encodeRequest({ x: x([1, 2]) }, { form: 'oip' }))
  const { pid } = worker.figures()
  process.kill(pid ?? 0, 'SIGKILL')
  await t.rejects(slow, { code: 'ERR_WORKER_GONE' })
  const again = await infer(worker, encodeRequest({ x: x([5, 6]) }, { form: 'oip' }))
  t.strictSame(again.outputs.y?.data, Float32Array.of(11))
  t.match((await worker.call('stats', {}, limits)).meta, { keys: ['slow', 'k'] })
  t.strictSame(events, ['lost', 'back'])
  t.equal(worker.figures().restarts, 1)
  t.not(worker.figures().pid, pid)
})

test('a model whose file is gone stays closed after a restart, the others come back', async t => {
  t.testdir()
  const worker = await started(t)
  const artifact = await openNull(t, worker, { key: 'lost' })
  await openNull(t, worker)
  writeFileSync(artifact, 'no model any more')
  process.kill(worker.figures().pid ?? 0, 'SIGKILL')
  await new Promise<void>(resolve => worker.on(event => event === 'back' && resolve()))
  await t.rejects(infer(worker, encodeRequest({ x: x([1, 2]) }, { form: 'json' }), 'lost'), { code: 'ERR_WORKER_KEY' })
  t.ok((await infer(worker, encodeRequest({ x: x([1, 2]) }, { form: 'json' }))).outputs.y)
})

test('an engine or a model that cannot be opened is refused with its code, and the worker goes on', async t => {
  t.testdir()
  const worker = await started(t)
  const request = {
    key: 'k',
    artifact: join(t.testdirName, 'none'),
    manifest: Manifest.parse({}),
    modelName: 'm',
    version: '1',
    threads: 1,
  }
  await t.rejects(worker.call('open', { ...request, engine: 'none' }, limits), { code: 'ERR_ENGINE_UNKNOWN' })
  await t.rejects(worker.call('open', { ...request, engine: 'onnxruntime' }, limits), { code: 'ERR_ENGINE_OPEN' })
  await openNull(t, worker)
  t.equal(worker.figures().restarts, 0)
})

test('a closed worker refuses', async t => {
  const worker = await started(t)
  await worker.close()
  t.equal(worker.state, 'closed')
  await t.rejects(worker.call('stats', {}, limits), { code: 'ERR_WORKER_CLOSED' })
})
