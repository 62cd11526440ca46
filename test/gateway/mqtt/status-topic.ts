import { test } from 'tap'
import type { Outgoing } from '../../../src/gateway/mqtt/send-window.js'
import { StatusTopic } from '../../../src/gateway/mqtt/status-topic.js'

function open() {
  const published: Record<string, unknown>[] = []
  const counter = { value: 6 }
  const clock = { now: 10_000 }
  const status = new StatusTopic({
    topic: 'quantd/gw1/status',
    publish: async ({ payload, retain, qos }: Outgoing) => {
      published.push({ ...JSON.parse(String(payload)), retain, qos })
      return { kind: 'sent' }
    },
    nextEpoch: () => {
      counter.value += 1
      return counter.value
    },
    now: () => clock.now,
    wall: () => 0,
  })
  return { status, published, counter, clock }
}

test('each connect is a new epoch, whose will the broker has before anything is told', async t => {
  const { status, published, counter } = open()
  t.match(status.will(), { topic: 'quantd/gw1/status', payload: '{"state":"offline","epoch":7}', delayS: 5 })
  status.connected()
  t.match(published, [{ state: 'online', epoch: 7, retain: true, qos: 1, since: '1970-01-01T00:00:00.000Z' }])
  status.disconnected()
  counter.value = 0
  t.match(JSON.parse(status.will().payload), { epoch: 8 }, 'an epoch that cannot be stored still grows')
})

test('a change is told once, and only while connected', async t => {
  const { status, published } = open()
  status.will()
  t.equal(status.set('degraded', ['disk']), undefined)
  status.connected()
  t.equal(status.set('degraded', ['disk']), undefined)
  await status.set('draining', [])
  t.match(
    published.map(({ state }) => state),
    ['degraded', 'draining'],
  )
})

test('a stale offline, nonsense and a deleted status are contradicted, at most once a second', async t => {
  const { status, published, clock } = open()
  status.will()
  status.connected()
  const hear = (text: string) => {
    clock.now += 2000
    status.heard(Buffer.from(text))
    return published.length - 1
  }
  t.equal(hear('{"state":"online","epoch":7}'), 0, 'our own word')
  t.equal(hear('{"state":"offline","epoch":3}'), 1)
  t.equal(hear('{"state":"offline","epoch":7}'), 2)
  t.equal(hear(''), 3)
  t.equal(hear('nonsense'), 4)
  status.heard(Buffer.from(''))
  t.equal(published.length - 1, 4, 'not twice in a second')
  await status.set('offline', ['stopped'])
  t.equal(hear('{"state":"offline","epoch":7}'), 5, 'once we say so ourselves it is true')
})
