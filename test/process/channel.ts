import { duplexPair } from 'node:stream'
import { test } from 'tap'
import { QuantdError } from '../../src/errors.js'
import { Channel, noBody, type RequestHandler } from '../../src/process/channel.js'

function pair(onRequest: RequestHandler, onEvent?: (event: { meta: unknown }) => void) {
  const [near, far] = duplexPair()
  return {
    near: new Channel(near, { peer: 'far' }),
    far: new Channel(far, { peer: 'near', onRequest, ...(onEvent === undefined ? {} : { onEvent }) }),
    pipe: far,
  }
}

const limits = { timeoutMs: 5_000 }

test('answers find their request, in whatever order they come', async t => {
  const release: (() => void)[] = []
  const { near } = pair(async ({ meta, body }) => {
    await new Promise<void>(resolve => release.push(resolve))
    return { meta, body }
  })
  const all = Promise.all([1, 2, 3].map(number => near.request({ number }, Uint8Array.of(number), limits)))
  while (release.length < 3) await new Promise(setImmediate)
  t.equal(near.inFlight, 3)
  for (const go of release.reverse()) go()
  t.strictSame(
    (await all).map(({ meta, body }) => [meta, [...body]]),
    [1, 2, 3].map(number => [{ number }, [number]]),
  )
  t.equal(near.inFlight, 0)
  await near.close()
})

test('an error comes back with code, message and details', async t => {
  const { near } = pair(({ meta }) => {
    if (meta === 'coded') throw new QuantdError('ERR_TIMEOUT', 'too late', { details: { limit: 3, wide: 5n } })
    throw new TypeError('a bug')
  })
  await t.rejects(near.request('coded', noBody, limits), { code: 'ERR_TIMEOUT', message: 'too late', details: { limit: 3, wide: '5' } })
  await t.rejects(near.request('bug', noBody, limits), { code: 'ERR_INTERNAL', message: 'a bug' })
  await near.close()
})

test('a request ends at its time limit or when it is aborted, and its late answer disturbs nobody', async t => {
  const late: (() => void)[] = []
  const { near } = pair(({ meta }) =>
    meta === 'quick' ? { meta, body: noBody } : new Promise(resolve => late.push(() => resolve({ meta, body: noBody }))),
  )
  await t.rejects(near.request('slow', noBody, { timeoutMs: 1 }), { code: 'ERR_TIMEOUT', details: { timeoutMs: 1 } })
  const abort = new AbortController()
  const aborted = near.request('slow', noBody, { ...limits, signal: abort.signal })
  abort.abort()
  await t.rejects(aborted, { code: 'ERR_ABORTED' })
  await t.rejects(near.request('slow', noBody, { ...limits, signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' })
  for (const go of late) go()
  t.equal((await near.request('quick', noBody, limits)).meta, 'quick')
  t.equal(near.inFlight, 0)
  await near.close()
})

test('requests in flight are told when the other side goes, and later ones too', async t => {
  const { near, pipe } = pair(() => new Promise(() => {}))
  const waiting = near.request(1, noBody, limits)
  pipe.end()
  await t.rejects(waiting, { code: 'ERR_WORKER_GONE' })
  await near.closed
  await t.rejects(near.request(2, noBody, limits), { code: 'ERR_WORKER_GONE' })
})

test('closing refuses what is in flight by its own code, twice without harm', async t => {
  const { near, far } = pair(() => new Promise(() => {}))
  const waiting = t.rejects(near.request(1, noBody, limits), { code: 'ERR_WORKER_CLOSED' })
  await Promise.all([near.close(), near.close()])
  await waiting
  await t.rejects(near.request(2, noBody, limits), { code: 'ERR_WORKER_CLOSED' })
  await far.closed
})

test('bytes that are no frame end the channel with the code of the frame', async t => {
  const { near, pipe } = pair(() => new Promise(() => {}))
  const waiting = near.request(1, noBody, limits)
  pipe.write(Buffer.alloc(16, 0xff))
  await t.rejects(waiting, { code: 'ERR_FRAME_SIZE' })
  await near.closed
})

test('events arrive in order and want no answer', async t => {
  const seen: unknown[] = []
  const { near } = pair(
    ({ meta }) => ({ meta, body: noBody }),
    event => seen.push(event.meta),
  )
  near.notify('a')
  near.notify('b', Uint8Array.of(1))
  await near.request('c', noBody, limits)
  t.strictSame(seen, ['a', 'b'])
  await near.close()
})
