import { test } from 'tap'
import { OperationsServer } from '../../../src/gateway/http/operations-server.js'
import type { OperationsView } from '../../../src/gateway/http/operations-view.js'
import { FakeGateway } from '../../fixtures/gateway/fake-gateway.js'

async function open(t: { teardown(act: () => Promise<void>): void }, view: OperationsView) {
  const server = await OperationsServer.start('127.0.0.1:0', view)
  t.teardown(() => server.close())
  return (path: string) => fetch(server.address + path)
}

test('health answers 200 while ready and 503 with the reasons while not', async t => {
  const gateway = new FakeGateway()
  let status = { ready: true, state: 'online', reasons: [] as string[] }
  const get = await open(t, { ...gateway.view(), status: () => status })
  const ready = await get('/health')
  t.equal(ready.status, 200)
  t.match(await ready.json(), { live: true, ready: true, state: 'online', serving: { answered: 30 }, journal: { durable: true } })
  status = { ready: false, state: 'draining', reasons: ['drained by ops'] }
  for (const path of ['/health', '/health/ready']) {
    const answer = await get(path)
    t.equal(answer.status, 503, path)
    t.match(await answer.json(), { ready: false, reasons: ['drained by ops'] })
  }
  t.equal((await get('/health/live')).status, 200, 'alive all the same')
})

test('metrics carry the figures of every service with their labels', async t => {
  const gateway = new FakeGateway()
  await gateway.services.jobs.start({ kind: 'requantize', model: 'fashion', request: {}, trigger: 'cli', caller: 'cli' })
  const get = await open(t, gateway.view())
  const text = await (await get('/metrics')).text()
  for (const line of [
    'quantd_ready 1',
    'quantd_requests_total{outcome="answered"} 30',
    'quantd_requests_total{outcome="expired"} 5',
    'quantd_requests_in_flight 2',
    'quantd_request_seconds{quantile="0.99"} 0.009',
    'quantd_journal_rows{table="outbox"} 4',
    'quantd_journal_durable 1',
    'quantd_model_ready{model="fashion",version="2",kind="int8"} 1',
    'quantd_capture_samples{model="fashion",pool="least-confident"} 10',
    'quantd_capture_stopped{model="fashion"} 1',
    'quantd_jobs{state="queued"} 1',
    'quantd_worker_resident_bytes{device="cpu0"} 104857600',
    'quantd_worker_restarts_total{device="cpu0"} 2',
  ]) {
    t.ok(text.split('\n').includes(line), line)
  }
  t.match(text, 'quantd_nodejs_eventloop_lag_seconds')
})

test('a counter that is scraped twice is not counted twice', async t => {
  const get = await open(t, new FakeGateway().view())
  await (await get('/metrics')).text()
  t.match(await (await get('/metrics')).text(), '\nquantd_requests_total{outcome="answered"} 30\n')
})

test('an address in use is refused with its code', async t => {
  const view = new FakeGateway().view()
  const server = await OperationsServer.start('127.0.0.1:0', view)
  t.teardown(() => server.close())
  await t.rejects(OperationsServer.start(new URL(server.address).host, view), { code: 'ERR_HTTP_LISTEN' })
})
