import { existsSync } from 'node:fs'
import { type Test, test } from 'tap'
import { noBody } from '../../src/process/channel.js'
import { startChild } from '../../src/process/child.js'
import { Supervisor, type SupervisorOptions } from '../../src/process/supervisor.js'

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

test('a loop that is blocked within the limit of a call is no reason to kill', async t => {
  const supervisor = await supervised(t, { heartbeatMs: 10 })
  const first = await pidOf(supervisor)
  const busy = await supervisor.request({ do: 'busy', ms: 200 }, noBody, limits)
  t.equal((busy.meta as { pid: number }).pid, first)
  t.equal(supervisor.figures().restarts, 0)
})

test('a process that is blocked for longer than its caller allows is killed, and the call behind it is told', async t => {
  const supervisor = await supervised(t, { heartbeatMs: 10 })
  const first = await pidOf(supervisor)
  const hanging = supervisor.request({ do: 'hang' }, noBody, { timeoutMs: 100 })
  await t.rejects(hanging, { code: 'ERR_TIMEOUT' })
  await t.rejects(supervisor.request({ do: 'who' }, noBody, limits), { code: 'ERR_WORKER_GONE' })
  t.not(await pidOf(supervisor), first)
})

test('a silent process with nothing to do is killed', async t => {
  const supervisor = await supervised(t, { heartbeatMs: 30 })
  const first = await pidOf(supervisor)
  const lost = new Promise<string>(resolve => supervisor.on(resolve))
  await t.rejects(supervisor.request({ do: 'hang' }, noBody, { timeoutMs: 1 }), { code: 'ERR_TIMEOUT' })
  t.equal(await lost, 'lost')
  t.not(await pidOf(supervisor), first)
})

test('a process above its memory limit is replaced when it is idle, which is no loss', async t => {
  const supervisor = await supervised(t, { heartbeatMs: 20, memoryMiB: 300 })
  const events: string[] = []
  supervisor.on(event => events.push(event))
  const first = await pidOf(supervisor)
  await supervisor.request({ do: 'grow', mib: 400 }, noBody, limits)
  let second = first
  while (second === first) {
    await new Promise(setImmediate)
    if (supervisor.figures().inFlight === 0 && supervisor.figures().pid !== first) second = await pidOf(supervisor)
  }
  t.strictSame(events, [])
  t.equal(supervisor.figures().restarts, 0)
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
  while (starts < 2) await new Promise(setImmediate)
  abort.abort()
  await t.rejects(starting, { code: 'ERR_ABORTED' })
  await supervisor.close()
  await refused
})
