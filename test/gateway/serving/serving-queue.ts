import { type Test, test } from 'tap'
import type { DeviceWorker } from '../../../src/engines/worker/device-worker.js'
import { startDeviceWorker } from '../../../src/engines/worker/supervised-device-worker.js'
import { QuantdError } from '../../../src/errors.js'
import type { Models } from '../../../src/gateway/models/model.js'
import type { InferOutcome, InferRequest } from '../../../src/gateway/serving/serving.js'
import { type ServingLimits, ServingQueue } from '../../../src/gateway/serving/serving-queue.js'
import { Refusal } from '../../../src/gateway/wire-errors.js'
import { type Clock, systemClock } from '../../../src/time.js'
import { NullModels } from '../../fixtures/mqtt/null-models.js'
import { defaultLimits } from '../../fixtures/mqtt/rig.js'

interface Call {
  readonly key: string
  readonly id: string | undefined
  answer(): void
  fail(error: Error): void
}

/** A device worker whose calls the test answers. */
class HeldWorker implements DeviceWorker {
  readonly device = 'cpu0'
  readonly state = 'ready'
  readonly calls: Call[] = []
  started = 0

  readonly call: DeviceWorker['call'] = (_, request) => {
    const { key = '', id } = request as { readonly key?: string; readonly id?: string }
    this.started += 1
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => () => {
        this.calls.splice(this.calls.indexOf(call), 1)
        act()
      }
      const meta = { contentType: 'application/json', decodeUs: 1, inferUs: 2, encodeUs: 3, batched: 1, confidence: 0.5 }
      const call: Call = {
        key,
        id,
        answer: settle(() => resolve({ meta, body: Buffer.from(id ?? '') } as never)),
        fail: error => settle(() => reject(error))(),
      }
      this.calls.push(call)
    })
  }

  holds = () => true
  figures = () => ({ pid: 1, restarts: 0, rssMiB: 1, inFlight: this.calls.length })
  on = () => () => undefined
  check = () => undefined
  replace = () => undefined
  close = async () => undefined
}

class FakeClock implements Clock {
  time = 1000
  now = () => this.time
  wall = Date.now
  sleep = systemClock.sleep
}

function models(manifest: object = {}, parallel = 1): Models & { held: number } {
  const known = new Set(['m', 'n'])
  const double = {
    held: 0,
    get: () => ({ manifest: { order: 'any', batch: 1, ...manifest } }),
    acquire(model: string, version = '1') {
      if (!known.has(model)) throw new Refusal('MODEL_NOT_FOUND', 'ERR_MODELS_NAME', `no model '${model}'`)
      double.held += 1
      const release = () => {
        double.held -= 1
      }
      return { route: { model, version, key: `${model}@${version}`, device: 'cpu0', parallel }, manifest: {}, release }
    },
  }
  return double as unknown as Models & { held: number }
}

function serve(given: { limits?: Partial<ServingLimits>; manifest?: object; parallel?: number } = {}) {
  const worker = new HeldWorker()
  const clock = new FakeClock()
  const held = models(given.manifest, given.parallel)
  const serving = new ServingQueue({ models: held, worker: () => worker, limits: () => ({ ...defaultLimits, ...given.limits }), clock })
  let count = 0
  const infer = (more: Partial<InferRequest> = {}): Promise<InferOutcome> => {
    count += 1
    return serving.infer({
      model: 'm',
      caller: 'app',
      priority: 1,
      contentType: 'application/octet-stream',
      body: Buffer.alloc(100),
      id: String(count),
      ...more,
    })
  }
  return { worker, clock, serving, infer, held }
}

const tick = () => new Promise(setImmediate)
const code = async (outcome: Promise<InferOutcome>) => {
  const found = await outcome
  return found.kind === 'refusal' ? found.error.code : found.kind
}

test('the worker holds two requests at once, the rest waits, and each is answered with its route', async t => {
  const { worker, infer, serving, held } = serve()
  const outcomes = [infer(), infer(), infer()]
  t.same(
    worker.calls.map(({ id }) => id),
    ['1', '2'],
  )
  t.match(serving.figures(), { queued: 1, queuedBytes: 100, inFlight: 2 })
  worker.calls[0]!.answer()
  t.match(await outcomes[0], {
    kind: 'answer',
    model: 'm',
    version: '1',
    device: 'cpu0',
    confidence: 0.5,
    times: { decodeUs: 1, inferUs: 2, encodeUs: 3 },
  })
  t.same(
    worker.calls.map(({ id }) => id),
    ['2', '3'],
  )
  for (const call of [...worker.calls]) call.answer()
  await Promise.all(outcomes)
  t.match(serving.figures(), { queued: 0, inFlight: 0, received: 3, answered: 3, refused: 0 })
  t.equal(held.held, 0, 'every route was released')
})

test('a model that batches keeps two batches in the worker', async t => {
  const { worker, infer } = serve({ manifest: { batch: 4 } })
  for (let index = 0; index < 20; index += 1) void infer()
  t.equal(worker.calls.length, 8)
})

test('a session that runs several inferences side by side has as many in the worker, and as many ready behind them', async t => {
  const { worker, infer } = serve({ parallel: 3 })
  for (let index = 0; index < 20; index += 1) void infer()
  t.equal(worker.calls.length, 6)
})

test('strict order means one at a time, in order of arrival whatever the priority', async t => {
  const { worker, infer } = serve({ manifest: { order: 'strict' } })
  for (const priority of [0, 3, 1] as const) void infer({ priority })
  const order: (string | undefined)[] = []
  for (let index = 0; index < 3; index += 1) {
    t.equal(worker.calls.length, 1)
    order.push(worker.calls[0]!.id)
    worker.calls[0]!.answer()
    await tick()
  }
  t.same(order, ['1', '2', '3'])
})

test('limits of count, bytes and caller refuse at the door with the time to wait; others still get in', async t => {
  const full = serve({ limits: { queue: 2 } })
  for (let index = 0; index < 4; index += 1) void full.infer()
  t.match(await full.infer(), { kind: 'refusal', error: { code: 'OVERLOADED', status: 429, retryable: true, retry_after_ms: Number } })
  const bytes = serve({ limits: { queueBytes: 250 } })
  for (let index = 0; index < 4; index += 1) void bytes.infer()
  t.equal(await code(bytes.infer()), 'OVERLOADED')
  const caller = serve({ limits: { perCaller: 3 } })
  const outcomes = [1, 2, 3].map(() => caller.infer())
  t.equal(await code(caller.infer()), 'OVERLOADED')
  const other = caller.infer({ caller: 'other' })
  t.match(caller.serving.wouldRefuse({ model: 'm', caller: 'app', priority: 1, contentType: 'image/png', body: Buffer.alloc(1) }), {
    code: 'OVERLOADED',
  })
  for (let index = 0; index < 4; index += 1) {
    caller.worker.calls[0]!.answer()
    await tick()
  }
  t.match(await Promise.all([...outcomes, other]), [{ kind: 'answer' }, { kind: 'answer' }, { kind: 'answer' }, { kind: 'answer' }])
  t.equal(
    caller.serving.wouldRefuse({ model: 'm', caller: 'app', priority: 1, contentType: 'image/png', body: Buffer.alloc(1) }),
    undefined,
  )
  t.match(caller.serving.figures(), { received: 5, answered: 4, refused: 1 })
})

test('at ten times the capacity every request ends as answered or refused', async t => {
  const { worker, infer, serving } = serve({ limits: { queue: 10, perCaller: 1000 } })
  const outcomes = Array.from({ length: 1000 }, () => {
    if (worker.calls.length > 0 && Math.random() < 0.1) worker.calls[0]!.answer()
    return infer()
  })
  for (await tick(); worker.calls.length > 0; await tick()) worker.calls[0]!.answer()
  const kinds = (await Promise.all(outcomes)).map(({ kind }) => kind)
  t.equal(kinds.length, 1000)
  const { received, answered, refused, expired } = serving.figures()
  t.equal(answered + refused + expired, received)
  t.ok(answered > 10 && refused > 100, `${answered} answered, ${refused} refused`)
})

test('a deadline that passes in the queue drops the request unrun, one that passes in the worker its result', async t => {
  const { worker, clock, infer, serving } = serve()
  const late = infer({ deadline: 1500 })
  const running = infer()
  const waiting = infer({ deadline: 1500 })
  clock.time = 2000
  const past = infer({ deadline: 1999 })
  worker.calls[0]!.answer()
  t.match(await late, { kind: 'expired', late: true })
  worker.calls[0]!.answer()
  t.match(await running, { kind: 'answer' })
  t.match(await waiting, { kind: 'expired', late: false })
  t.match(await past, { kind: 'expired', late: false })
  t.equal(worker.started, 2)
  t.match(serving.figures(), { expired: 2, expiredLate: 1, answered: 1, received: 4 })
})

test('10,000 expired requests run nothing', async t => {
  const { worker, infer, serving } = serve({ limits: { queue: 20_000, queueBytes: 10 ** 9, perCaller: 20_000 } })
  const outcomes = await Promise.all(Array.from({ length: 10_000 }, () => infer({ deadline: 1000 })))
  t.ok(outcomes.every(({ kind }) => kind === 'expired'))
  t.equal(worker.started, 0)
  t.equal(serving.figures().expired, 10_000)
})

test('requests that wait for a stuck worker are dropped when their time is over', async t => {
  const { clock, infer } = serve()
  // The queue's own timer does not keep a process alive.
  const alive = setInterval(() => undefined, 1000)
  t.teardown(() => clearInterval(alive))
  void infer()
  void infer()
  const waiting = infer({ deadline: 1500 })
  clock.time = 3000
  t.match(await waiting, { kind: 'expired', late: false }, 'without any call ending')
})

test('what a dying worker held is tried once more, each alone, then given up as DEVICE_LOST', async t => {
  const { worker, infer, serving, held } = serve()
  const gone = () => new QuantdError('ERR_WORKER_GONE', 'the process is gone')
  const outcomes = [infer(), infer(), infer()]
  const [first, second] = [...worker.calls]
  first!.fail(gone())
  second!.fail(gone())
  await tick()
  t.same(
    worker.calls.map(({ id }) => id),
    ['1'],
    'alone',
  )
  worker.calls[0]!.fail(gone())
  t.match(await outcomes[0], { kind: 'refusal', error: { code: 'DEVICE_LOST', status: 503, retryable: true } })
  await tick()
  t.same(
    worker.calls.map(({ id }) => id),
    ['2'],
  )
  worker.calls[0]!.answer()
  t.match(await outcomes[1], { kind: 'answer' }, 'its neighbour killed the worker, not it')
  worker.calls[0]!.answer()
  t.match(await outcomes[2], { kind: 'answer' })
  t.match(serving.figures(), { retried: 2, answered: 2, refused: 1, inFlight: 0 })
  t.equal(held.held, 0)
})

test('an inference beyond its limit is a lost device; what the worker says of the request passes; the rest is INTERNAL with a trace', async t => {
  const { worker, infer } = serve()
  const outcomes = [infer(), infer(), infer()]
  worker.calls[0]!.fail(new QuantdError('ERR_TIMEOUT', 'no answer'))
  t.equal(await code(outcomes[0]!), 'DEVICE_LOST')
  worker.calls[0]!.fail(new QuantdError('ERR_REQUEST_SHAPE', 'shape', { details: { expected: [1], actual: [2] } }))
  t.match(await outcomes[1], {
    error: { code: 'SHAPE_MISMATCH', id: '2', details: { expected: [1], actual: [2], cause: 'ERR_REQUEST_SHAPE' } },
  })
  await tick()
  worker.calls[0]!.fail(new QuantdError('ERR_ENGINE_INFER', 'out of memory'))
  t.match(await outcomes[2], { error: { code: 'INTERNAL', status: 500, details: { trace: /^[0-9a-f-]{36}$/ } } })
})

test('unknown models and too large requests are refused at the door', async t => {
  const { infer, worker } = serve({ limits: { maxPayloadBytes: 100 } })
  t.equal(await code(infer({ model: 'x' })), 'MODEL_NOT_FOUND')
  t.match(await infer({ body: Buffer.alloc(101) }), { error: { code: 'PAYLOAD_TOO_LARGE', details: { limit: 100 } } })
  t.equal(worker.started, 0)
})

test('draining refuses what is new and ends with the last answer; resume ends it', async t => {
  const { worker, infer, serving } = serve()
  const running = infer()
  let drained = false
  const draining = serving.drain().then(() => {
    drained = true
  })
  t.equal(await code(infer()), 'NOT_READY')
  t.equal(drained, false)
  worker.calls[0]!.answer()
  await running
  await draining
  serving.resume()
  void infer()
  t.equal(worker.calls.length, 1)
})

test('listeners hear each answer with the bytes of its request', async t => {
  const { worker, infer, serving } = serve()
  const heard: number[] = []
  const stop = serving.onAnswer(({ body }, { confidence }) => heard.push(body.length, confidence ?? -1))
  const answered = infer()
  worker.calls[0]!.answer()
  await answered
  stop()
  const again = infer()
  worker.calls[0]!.answer()
  await again
  t.same(heard, [100, 0.5])
})

async function realWorker(t: Test): Promise<{ worker: DeviceWorker; serving: ServingQueue }> {
  const worker = await startDeviceWorker({ device: 'cpu0', memoryMiB: 4096, heartbeatS: 30 })
  t.teardown(() => worker.close())
  const real = new NullModels(worker, t.testdir())
  await real.add('slow', { latencyMs: 100 })
  return { worker, serving: new ServingQueue({ models: real, worker: () => worker, limits: () => defaultLimits }) }
}

test('kill -9 of the real worker with requests in it loses none', async t => {
  const { worker, serving } = await realWorker(t)
  const events: string[] = []
  serving.onDevice((event, device) => events.push(`${event} ${device}`))
  const outcomes = [1, 2, 3, 4].map(value =>
    serving.infer({
      model: 'slow',
      caller: 'app',
      priority: 1,
      contentType: 'application/octet-stream',
      body: Buffer.from([value, 0, 0, 0]),
    }),
  )
  while (worker.figures().inFlight < 2) await tick()
  process.kill(worker.figures().pid!, 'SIGKILL')
  const bodies = (await Promise.all(outcomes)).map(outcome =>
    outcome.kind === 'answer' ? JSON.parse(Buffer.from(outcome.body).toString()).outputs[0].data[0] : outcome,
  )
  t.same(bodies, [1, 2, 3, 4])
  t.equal(serving.figures().retried, 2)
  t.same(events, ['lost cpu0', 'back cpu0'])
})
