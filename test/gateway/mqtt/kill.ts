import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { Sqlite } from '../../../src/gateway/store/sqlite.js'
import { Mosquitto } from '../../fixtures/mqtt/mosquitto.js'
import { Listener, until } from '../../fixtures/mqtt/rig.js'

const entry = new URL('../../fixtures/mqtt/null-gateway.js', import.meta.url).pathname

/** A gateway process that dies as by power cut at the named step, or when it is told to. */
async function startGateway(
  t: Test,
  { url, folder, crashAt = '' }: { readonly url: string; readonly folder: string; readonly crashAt?: string },
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [entry, url, folder], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, QUANTD_CRASH_AT: crashAt },
  })
  t.teardown(() => child.kill('SIGKILL'))
  await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')])
  return child
}

const raw = Buffer.from([1, 2, 3, 4])
const topic = (model: string) => `quantd/bench/infer/${model}/app`

const properties = (correlation: string) => ({
  responseTopic: 'quantd-reply/app/1',
  correlationData: Buffer.from(correlation),
  contentType: 'application/octet-stream',
})

test('at whatever step gateways die one after the other, every request ends with one answer and the journal is sound', async t => {
  const broker = await Mosquitto.start()
  t.teardown(() => broker.close())
  const app = await Listener.connect(t, { url: broker.url, topics: ['quantd-reply/app/#'] })
  const steps = [
    'journal.accept-uncommitted',
    'journal.accept-committed',
    'journal.answer-uncommitted',
    'journal.answer-committed',
    'mqtt.answer-published',
    'journal.delivered-uncommitted',
  ]
  const folder = t.testdir()
  for (const crashAt of steps) {
    // It may die already while it takes up what the one before left.
    const dying = await startGateway(t, { url: broker.url, folder, crashAt })
    await app.client.publishAsync(topic('slow'), raw, { qos: 1, properties: properties(crashAt) })
    if (dying.signalCode === null) await once(dying, 'exit')
    t.equal(dying.signalCode, 'SIGKILL', crashAt)
  }
  const last = await startGateway(t, { url: broker.url, folder })
  const answers = (step: string) => app.heard.filter(({ packet }) => packet.properties?.correlationData?.toString() === step)
  await until(() => steps.every(step => answers(step).length > 0), 'all answers')
  for (const step of steps)
    t.equal(new Set(answers(step).map(({ text }) => text)).size, 1, `${step}: ${answers(step).length} answers, all the same`)
  const stopped = once(last, 'exit')
  last.kill('SIGTERM')
  await stopped
  const database = new Sqlite(join(folder, 'journal.db'))
  t.equal(database.pragma('integrity_check', { simple: true }), 'ok')
  t.same(database.prepare('SELECT count(*) AS left FROM request').get(), { left: 0 })
  t.same(database.prepare('SELECT count(*) AS left FROM reply WHERE entry NOT IN (SELECT entry FROM delivered)').get(), { left: 0 })
  database.close()
})

test('kill -9 with requests in flight loses none that the broker had acknowledged', async t => {
  const broker = await Mosquitto.start()
  t.teardown(() => broker.close())
  const app = await Listener.connect(t, { url: broker.url, topics: ['quantd-reply/app/#'] })
  const folder = t.testdir()
  const sent: string[] = []
  for (let round = 0; round < 2; round += 1) {
    const gateway = await startGateway(t, { url: broker.url, folder })
    for (let index = 0; index < 6; index += 1) {
      const correlation = `${round}-${index}`
      sent.push(correlation)
      await app.client.publishAsync(topic(index % 2 === 0 ? 'slow' : 'small'), raw, {
        qos: 1,
        properties: properties(correlation),
      })
    }
    const gone = once(gateway, 'exit')
    gateway.kill('SIGKILL')
    await gone
  }
  await startGateway(t, { url: broker.url, folder })
  const answered = () => new Set(app.heard.map(({ packet }) => packet.properties?.correlationData?.toString()))
  await until(() => sent.every(correlation => answered().has(correlation)), 'all answers')
  const texts = new Map<string, Set<string>>()
  for (const { packet, text } of app.heard) {
    const correlation = packet.properties?.correlationData?.toString() ?? ''
    texts.set(correlation, (texts.get(correlation) ?? new Set()).add(text))
  }
  t.ok(
    [...texts.values()].every(({ size }) => size === 1),
    'no request got two different answers',
  )
})
