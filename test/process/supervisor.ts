import { existsSync } from 'node:fs'
import { duplexPair } from 'node:stream'
import { type Test, test } from 'tap'
import { Channel, noBody } from '../../src/process/channel.js'
import { type Child, type Exit, isPing, startChild } from '../../src/process/child.js'
import { Supervisor, type SupervisorOptions } from '../../src/process/supervisor.js'
import { ManualClock } from '../fixtures/manual-clock.js'

const entry = new URL('../fixtures/workers/echo.js', import.meta.url)
const limits = { timeoutMs: 20_000 }

async function supervised(t: Test, options: Partial<SupervisorOptions> = {}): Promise<Supervisor> {
  const supervisor = new Supervisor({
    name: 'echo',
    start: () => startChild({ entry, name: 'echo' }),
    backOff: { firstMs: 1, factor: 2, ceilingMs: 10, jitter: 0 },
    heartbeatMs: 60_000,
    ...options,
  })
  t.teardown(() => supervisor.close())
  await supervisor.start()
  return supervisor
}

const pidOf = async (supervisor: Supervisor) => ((await supervisor.request({ do: 'who' }, noBody, limits)).meta as { pid: number }).pid

/** A child without a process: a channel in memory, answered as the test says. */
class PlayedChild implements Child {
  readonly channel: Channel
  readonly exited: Promise<Exit>
  rssMiB = 100
  /** Messages are not read while it is true: a blocked event loop. */
  blocked = false
  readonly #waiting: (() => void)[] = []
  readonly #stream

  constructor(readonly pid: number) {
    const [near, far] = duplexPair()
    this.#stream = far
    this.channel = new Channel(near, { peer: 'played' })
    new Channel(far, {
      peer: 'supervisor',
      onRequest: async ({ meta }) => {
        if (this.blocked) await new Promise<void>(resolve => this.#waiting.push(resolve))
        return { meta: isPing(meta) ? { rssMiB: this.rssMiB } : { pid: this.pid }, body: noBody }
      },
    })
    this.exited = this.channel.closed.then(() => ({ code: 0, signal: null }))
  }

  unblock(): void {
    this.blocked = false
    for (const go of this.#waiting.splice(0)) go()
  }

  kill(): void {
    this.#stream.end()
  }
}

/** A supervisor of played children in time that only the test moves. Pings go out every second. */
async function played(t: Test, options: Partial<SupervisorOptions> = {}) {
  const children: PlayedChild[] = []
  const clock = new ManualClock()
  const start = () => {
    const child = new PlayedChild(children.length + 1)
    children.push(child)
    return child
  }
  const backOff = { firstMs: 100, factor: 2, ceilingMs: 1000, jitter: 0 }
  const supervisor = await supervised(t, { start, clock, backOff, heartbeatMs: 1000, ...options })
  return { supervisor, children, clock, child: children[0] as PlayedChild }
}

test('a process that dies takes its calls with it, and the next calls wait for its successor', async t => {
  const prepared: unknown[] = []
  const supervisor = await supervised(t, {
    prepare: async request => void prepared.push((await request({ do: 'echo', ms: 1 }, noBody, limits)).meta),
  })
  const events: string[] = []
  supervisor.on(event => events.push(event))
  const first = await pidOf(supervisor)
  const pending = supervisor.request({ do: 'never' }, noBody, limits)
  const crash = supervisor.request({ do: 'crash' }, noBody, limits)
  await t.rejects(pending, { code: 'ERR_WORKER_GONE' })
  await t.rejects(crash, { code: 'ERR_WORKER_GONE' })
  const second = await pidOf(supervisor)
  t.not(second, first)
  t.strictSame(events, ['lost', 'back'])
  t.equal(prepared.length, 2, 'every process is prepared before it takes calls')
  t.strictSame(supervisor.figures(), { pid: second, restarts: 1, rssMiB: undefined, inFlight: 0 })
})

test('a silent process with nothing to do is killed one interval after its ping', async t => {
  const { supervisor, children, clock, child } = await played(t)
  await clock.advance(1500)
  child.blocked = true
  await clock.advance(1400)
  t.equal(supervisor.figures().pid, 1, 'pinged at 2000, still excused at 2900')
  await clock.advance(150)
  t.equal(supervisor.state, 'restarting')
  await clock.advance(100)
  t.equal(await pidOf(supervisor), 2)
  t.equal(children.length, 2)
  t.equal(supervisor.figures().restarts, 1)
})

test('silence is excused for as long as a call in flight at the ping may take, and no longer', async t => {
  const { supervisor, clock, child } = await played(t)
  await clock.advance(1500)
  child.blocked = true
  const busy = supervisor.request({ do: 'infer' }, noBody, { timeoutMs: 10_000 })
  await clock.advance(9_900)
  t.equal(supervisor.figures().pid, 1)
  const later = supervisor.request({ do: 'infer' }, noBody, { timeoutMs: 60_000 })
  const told = Promise.all([t.rejects(busy, { code: 'ERR_WORKER_GONE' }), t.rejects(later, { code: 'ERR_WORKER_GONE' })])
  await clock.advance(150)
  await told
  t.equal(supervisor.state, 'restarting')
})

test('a call that ends in time costs the process nothing', async t => {
  const { supervisor, clock, child } = await played(t)
  await clock.advance(1500)
  child.blocked = true
  const busy = supervisor.request({ do: 'infer' }, noBody, { timeoutMs: 10_000 })
  await clock.advance(8_000)
  child.unblock()
  t.strictSame((await busy).meta, { pid: 1 })
  await clock.advance(60_000)
  t.equal(supervisor.figures().pid, 1)
})

test('a process that somebody has waited for in vain is pinged at once, and excused by his patience alone', async t => {
  const { supervisor, clock, child } = await played(t, { heartbeatMs: 5000 })
  await clock.advance(5_100)
  child.blocked = true
  const hung = supervisor.request({ do: 'infer' }, noBody, { timeoutMs: 30_000, silentMs: 1_000 })
  const told = t.rejects(hung, { code: 'ERR_WORKER_GONE' })
  await clock.advance(1_000)
  supervisor.check()
  await clock.advance(4_900)
  t.equal(supervisor.figures().pid, 1, 'an interval to answer')
  await clock.advance(200)
  await told
  t.equal(supervisor.figures().restarts, 1, 'long before the limit of the call')
})

test('a process that answers when it is checked lives on', async t => {
  const { supervisor, clock } = await played(t, { heartbeatMs: 5000 })
  for (let round = 0; round < 3; round += 1) {
    supervisor.check()
    await clock.advance(6_000)
  }
  t.equal(supervisor.figures().pid, 1)
})

test('a process that is replaced takes its calls with it', async t => {
  const { supervisor, clock, child } = await played(t)
  child.blocked = true
  const hung = supervisor.request({ do: 'infer' }, noBody, { timeoutMs: 30_000 })
  const told = t.rejects(hung, { code: 'ERR_WORKER_GONE' })
  supervisor.replace('an inference does not end')
  await told
  await clock.advance(100)
  t.equal(await pidOf(supervisor), 2)
  t.equal(supervisor.figures().restarts, 1)
})

test('the first answer of a process may take half a minute', async t => {
  const { supervisor, clock, child } = await played(t)
  child.blocked = true
  await clock.advance(30_900)
  t.equal(supervisor.figures().pid, 1)
  await clock.advance(150)
  t.equal(supervisor.state, 'restarting')
})

test('a process that has outgrown its limit is replaced when it is idle, which is no loss', async t => {
  const { supervisor, clock, child } = await played(t, { memoryMiB: 300 })
  const events: string[] = []
  supervisor.on(event => events.push(event))
  await clock.advance(1100)
  child.rssMiB = 299
  await clock.advance(5000)
  t.equal(supervisor.figures().pid, 1)
  child.rssMiB = 301
  child.blocked = true
  const busy = supervisor.request({ do: 'infer' }, noBody, { timeoutMs: 60_000 })
  await clock.advance(5000)
  t.equal(supervisor.figures().pid, 1, 'not while it works')
  child.unblock()
  await busy
  await clock.advance(1100)
  t.equal(await pidOf(supervisor), 2)
  t.strictSame(events, [])
  t.equal(supervisor.figures().restarts, 0)
})

test('a process that is heavier than its limit when fresh may grow by half before it is replaced', async t => {
  const { supervisor, clock, child } = await played(t, { memoryMiB: 50 })
  await clock.advance(10_000)
  t.equal(supervisor.figures().pid, 1)
  child.rssMiB = 149
  await clock.advance(2000)
  t.equal(supervisor.figures().pid, 1)
  child.rssMiB = 151
  await clock.advance(2000)
  t.equal(await pidOf(supervisor), 2)
})

test('waits between losses double, and start anew behind a process that has lived', async t => {
  const { supervisor, children, clock } = await played(t)
  const lose = async () => {
    children.at(-1)?.kill()
    await clock.advance(0)
    let waited = 0
    for (const before = children.length; children.length === before; waited += 50) await clock.advance(50)
    return waited
  }
  t.strictSame([await lose(), await lose(), await lose()], [100, 200, 400])
  await clock.advance(61_000)
  t.equal(await lose(), 100)
  t.equal(supervisor.figures().restarts, 4)
})

test('closing lets calls in flight finish, refuses new ones and leaves no process', async t => {
  const supervisor = await supervised(t)
  const pid = await pidOf(supervisor)
  const inFlight = supervisor.request({ do: 'echo', ms: 5 }, new Uint8Array(1_000_000), limits)
  const closing = supervisor.close()
  await t.rejects(supervisor.request({ do: 'who' }, noBody, limits), { code: 'ERR_WORKER_CLOSED' })
  t.strictSame((await inFlight).meta, { ms: 5 })
  await closing
  await supervisor.close()
  t.equal(supervisor.state, 'closed')
  if (existsSync('/proc')) t.notOk(existsSync(`/proc/${pid}`))
})

test('a start that never succeeds ends with the signal of its caller, and closing ends the attempts', async t => {
  let starts = 0
  const supervisor = new Supervisor({
    name: 'broken',
    start: () => {
      starts += 1
      return startChild({ entry: new URL('./no-such-file.js', import.meta.url), name: 'broken' })
    },
    prepare: async request => void (await request({ do: 'who' }, noBody, limits)),
    backOff: { firstMs: 1, factor: 1, ceilingMs: 1, jitter: 0 },
    heartbeatMs: 60_000,
  })
  const abort = new AbortController()
  const starting = supervisor.start(abort.signal)
  const waiting = supervisor.request({ do: 'who' }, noBody, limits)
  const refused = t.rejects(waiting, { code: 'ERR_WORKER_CLOSED' })
  while (starts < 2) await new Promise(resolve => setTimeout(resolve, 5))
  abort.abort()
  await t.rejects(starting, { code: 'ERR_ABORTED' })
  await supervisor.close()
  await refused
})
