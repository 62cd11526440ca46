import { fstatSync } from 'node:fs'
import { duplexPair } from 'node:stream'
import { test } from 'tap'
import { Channel, noBody, type RequestHandler } from '../../src/process/channel.js'
import { type Region, SharedMemory } from '../../src/process/shared-memory.js'

const limits = { timeoutMs: 5_000 }
const mebi = 2 ** 20
const filled = (bytes: number, value: number) => new Uint8Array(bytes).fill(value)

/** Both ends in this process, over one file; what crosses the pipe is counted. */
function pair(memory: SharedMemory, onRequest: RequestHandler) {
  const [nearPipe, farPipe] = duplexPair()
  let piped = 0
  for (const pipe of [nearPipe, farPipe])
    pipe.on('data', (chunk: Uint8Array) => {
      piped += chunk.byteLength
    })
  new Channel(farPipe, { peer: 'near', onRequest, memory: new SharedMemory(memory.fd) })
  return { near: new Channel(nearPipe, { peer: 'far', memory }), piped: () => piped }
}

function create(t: { teardown(end: () => void): void }): SharedMemory {
  const memory = SharedMemory.create()
  if (memory === undefined) throw new Error('no tmpfs on /dev/shm')
  t.teardown(() => memory.close())
  return memory
}

test('large bodies cross beside the pipe, small ones in it, each to its own request', async t => {
  const { near, piped } = pair(create(t), ({ meta, body }) => ({ meta, body: body.map(value => value + 1) }))
  const all = await Promise.all([1, 2, 3, 4].map(each => near.request({ each }, filled(each * mebi, each), limits)))
  t.strictSame(
    all.map(({ meta, body }) => [meta, body.byteLength, body.every(value => value === body[0]), body[0]]),
    [1, 2, 3, 4].map(each => [{ each }, each * mebi, true, each + 1]),
  )
  t.ok(piped() < 4096, `${piped()} bytes in the pipe`)
  await near.close()
})

test('a small request whose answer is large gets a region for it, once one was seen', async t => {
  const { near, piped } = pair(create(t), () => ({ meta: null, body: filled(mebi, 7) }))
  await near.request(null, Uint8Array.of(1), limits)
  const first = piped()
  const { body } = await near.request(null, Uint8Array.of(1), limits)
  t.equal(body.byteLength, mebi)
  t.ok(first > mebi && piped() - first < 4096, `${first} bytes in the pipe, then ${piped() - first}`)
  await near.close()
})

test('the region of an abandoned request is not given to another before its answer has come', async t => {
  const seen: number[] = []
  const late: (() => void)[] = []
  const { near } = pair(create(t), async ({ meta, body }) => {
    if (meta === 'slow') await new Promise<void>(resolve => late.push(resolve))
    seen.push(body[0] ?? 0)
    return { meta, body: filled(body.byteLength, 9) }
  })
  const abort = new AbortController()
  const slow = near.request('slow', filled(mebi, 1), { ...limits, signal: abort.signal })
  while (late.length === 0) await new Promise(setImmediate)
  abort.abort()
  await t.rejects(slow, { code: 'ERR_ABORTED' })
  const quick = near.request('quick', filled(mebi, 2), limits)
  late[0]?.()
  t.equal((await quick).body[0], 9)
  t.strictSame(seen.sort(), [1, 2])
  await near.close()
})

test('what finds no room goes through the pipe', async t => {
  const file = create(t)
  const { near, piped } = pair(new SharedMemory(file.fd, mebi), ({ meta, body }) => ({ meta, body: body.slice() }))
  const { body } = await near.request(null, filled(2 * mebi, 3), limits)
  t.ok(body.byteLength === 2 * mebi && body.every(value => value === 3))
  t.ok(piped() > 4 * mebi)
  await near.close()
})

test('an error frees the region of its request as an answer does', async t => {
  const memory = create(t)
  const { near } = pair(memory, ({ meta }) => {
    throw new TypeError(String(meta))
  })
  for (let count = 0; count < 3; count += 1) await t.rejects(near.request('no', filled(mebi, 1), limits), { message: 'no' })
  t.equal(memory.extent, mebi)
  await near.close()
})

test('regions do not overlap, are taken again, and are given back to the host when all are free', async t => {
  const memory = create(t)
  const regions = [20, 1, 30].map(size => memory.take(size * mebi))
  t.equal(memory.take(20 * mebi), undefined, 'no more than 64 MiB')
  t.strictSame(
    regions.map(region => region?.at),
    [0, 20 * mebi, 21 * mebi],
  )
  const [first, second, third] = regions as [Region, Region, Region]
  memory.free(second)
  const again = memory.take(mebi) as Region
  t.equal(again.at, second.at)
  memory.write(third, filled(third.size, 1))
  for (const region of [first, again, third]) memory.free(region)
  t.equal(fstatSync(memory.fd).size, memory.extent)
  t.ok(memory.extent < 20 * mebi, `${memory.extent} bytes are kept`)
})

test('bytes that nobody wrote are not read, whatever a placement says', async t => {
  const memory = create(t)
  t.throws(() => memory.read(0, 10), { code: 'ERR_FRAME_SIZE' })
  t.throws(() => memory.read(2 ** 31, 10), { code: 'ERR_FRAME_SIZE' })
})

test('memory that is recycled is what the next body of about that size lies in', async t => {
  const memory = create(t)
  memory.write({ at: 0, size: mebi }, filled(mebi, 1))
  const first = memory.read(0, mebi)
  memory.recycle(first)
  t.equal(memory.read(0, mebi - 100).buffer, first.buffer)
  t.not(memory.read(0, mebi).buffer, first.buffer, 'which is taken by now')
})

test('a request with no body is no reason for a region', async t => {
  const memory = create(t)
  const { near } = pair(memory, ({ meta }) => ({ meta, body: noBody }))
  await near.request(1, noBody, limits)
  t.equal(memory.extent, 0)
  await near.close()
})
