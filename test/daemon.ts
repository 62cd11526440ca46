import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { writeNullBundle } from '../src/cli/bench/null-model.js'
import { demoData } from '../src/demo/site.js'
import { type Answer, Stand } from './bench/stand.js'
import { until } from './fixtures/mqtt/rig.js'

/** A whole gateway of real processes that serves a model whose answer is its input's shape. */
async function open(t: Test): Promise<Stand> {
  const stand = await Stand.open(['workers: { heartbeat_s: 30 }'])
  t.teardown(() => stand.close())
  await writeNullBundle(join(stand.folder, 'null'), { name: 'null', bytes: 8, durability: 'journal' })
  await stand.quantd('load', join(stand.folder, 'null'))
  return stand
}

const ask = (stand: Stand) => stand.infer('null', Buffer.alloc(8, 7), { contentType: 'application/octet-stream', limitMs: 60_000 })

/** Process ids of the device workers of a daemon. */
function workersOf(daemon: number): number[] {
  const parent = (pid: string) => /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return readdirSync('/proc')
    .filter(pid => /^\d+$/.test(pid))
    .filter(pid => {
      try {
        return parent(pid) === String(daemon)
      } catch {
        return false // ended meanwhile
      }
    })
    .map(Number)
}

test('SIGTERM amid requests: the daemon ends with 0, and each request is answered or refused, by it or by the next one', async t => {
  const stand = await open(t)
  let answered = 0
  let stopped = false
  const answers: Answer[] = []
  /** A caller that asks again at once, and keeps on while the daemon drains. */
  const caller = async () => {
    while (!stopped) {
      const answer = await ask(stand)
      answers.push(answer)
      answered += 1
    }
  }
  const callers = Array.from({ length: 8 }, caller)
  await until(() => answered > 50, 'answers')
  const started = performance.now()
  t.equal(await stand.stopDaemon(), 0)
  t.comment(`ended after ${Math.round(performance.now() - started)} ms`)
  stopped = true
  stand.startDaemon()
  await Promise.all(callers)
  t.same(
    [...new Set(answers.map(({ status }) => status))].filter(status => status !== 200 && status !== 503),
    [],
  )
  t.ok(answers.every(({ status, body }) => status === 200 || /NOT_READY/.test(body.toString())))
})

test('a worker that hangs does not hold up SIGTERM, and what it had is answered by the next daemon', async t => {
  const stand = await open(t)
  await ask(stand)
  for (const pid of workersOf(stand.daemonPid)) process.kill(pid, 'SIGSTOP')
  const answers = Array.from({ length: 20 }, () => ask(stand))
  const waiting = async () => ((await stand.command('models', {})).status === 200 ? true : undefined)
  await until(waiting, 'a command that came after the requests')
  const started = performance.now()
  t.equal(await stand.stopDaemon(), 0)
  t.comment(`ended after ${Math.round(performance.now() - started)} ms`)
  stand.startDaemon()
  t.same(new Set((await Promise.all(answers)).map(({ status }) => status)), new Set([200]))
})

test('a job that runs at SIGTERM is told as failed before the gateway says good-bye', async t => {
  const stand = await open(t)
  await stand.quantd('load', join(demoData, 'bundle'))
  const states: string[] = []
  stand.client.on('message', (topic, payload) => {
    if (topic.startsWith(`quantd/${stand.gateway}/jobs/`)) states.push((JSON.parse(payload.toString()) as { state: string }).state)
  })
  await stand.client.subscribeAsync(`quantd/${stand.gateway}/jobs/#`, { qos: 1 })
  await stand.command('requantize', { model: 'fashion-resnet', source: 'bundle', activate: 'manual' })
  await until(() => states.includes('running'), 'a running job')
  t.equal(await stand.stopDaemon(), 0)
  await until(() => states.at(-1) === 'failed', 'the end of the job')
})
