import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { ControlServer } from '../../../src/gateway/http/control-server.js'
import { Uploads } from '../../../src/gateway/store/uploads.js'
import { controlRequest } from '../../fixtures/gateway/control-request.js'
import { FakeGateway } from '../../fixtures/gateway/fake-gateway.js'
import { shortFolder } from '../../fixtures/short-folder.js'

async function open(t: Test, { maxBytes = 1 << 20, paths }: { maxBytes?: number; paths?: readonly string[] } = {}) {
  const folder = shortFolder(t)
  const gateway = new FakeGateway()
  const uploads = new Uploads(join(folder, 'state'))
  const server = await ControlServer.start({
    paths: paths ?? [join(folder, 'control.sock')],
    commands: gateway.commands,
    services: gateway.services,
    uploads,
    status: () => ({ state: 'online' }),
    uploadLimits: { maxBytes, reserveBytes: 0 },
  })
  t.teardown(() => server.close())
  const ask = (method: string, path: string, options = {}) => controlRequest(server.path, method, path, options)
  return { gateway, uploads, server, folder, ask }
}

test('only owner and group may use the socket, and closing removes it', async t => {
  const { server } = await open(t)
  t.equal(statSync(server.path).mode & 0o777, 0o660)
  await server.close()
  t.notOk(existsSync(server.path))
})

test('what a crash left at the path is replaced, a living daemon is not', async t => {
  const path = join(shortFolder(t), 'control.sock')
  writeFileSync(path, 'stale')
  const first = await open(t, { paths: [path] })
  t.equal((await first.ask('GET', '/status')).status, 200)
  await t.rejects(open(t, { paths: [path] }), { code: 'ERR_HTTP_SOCKET', message: /another daemon/ })
  t.equal((await first.ask('GET', '/status')).status, 200, 'the first one is still there')
})

test('the second path is taken when the first cannot be bound', async t => {
  const folder = shortFolder(t)
  writeFileSync(join(folder, 'file'), '')
  const { server } = await open(t, { paths: [join(folder, 'file', 'control.sock'), join(folder, 'control.sock')] })
  t.equal(server.path, join(folder, 'control.sock'))
  const tooLong = join(folder, 'x'.repeat(120), 'control.sock')
  await t.rejects(open(t, { paths: [tooLong] }), { code: 'ERR_HTTP_SOCKET', message: /107 bytes/ })
})

test('a command is checked, called as cli, and answered', async t => {
  const { gateway, ask } = await open(t)
  const answer = await ask('POST', '/commands/activate', { body: '{"model":"fashion","version":"2"}' })
  t.equal(answer.status, 200)
  t.same(answer.json, { model: 'fashion', active: '2' })
  t.same(gateway.calls, [{ verb: 'activate', request: { model: 'fashion', version: '2' }, caller: 'cli' }])
  t.equal((await ask('POST', '/commands/drain')).status, 200, 'a command without fields needs no body')
})

test('a started job is answered with 202', async t => {
  const { ask } = await open(t)
  const answer = await ask('POST', '/commands/requantize', { body: '{"model":"fashion"}' })
  t.equal(answer.status, 202)
  t.match(answer.json, { job_id: 'job-1', state: 'queued' })
})

test('refusals have the body of the wire', async t => {
  const { ask } = await open(t)
  for (const [path, body, expected] of [
    [
      '/commands/activate',
      '{"model":"fashion","version":"9"}',
      { status: 404, code: 'VERSION_NOT_FOUND', details: { cause: 'ERR_MODEL_VERSION' } },
    ],
    [
      '/commands/activate',
      '{"model":1}',
      { status: 400, code: 'INVALID_ARGUMENT', error: /model: .*version: /s, details: { cause: 'ERR_REQUEST_BODY' } },
    ],
    ['/commands/activate', '{"model":"fashion","version":"2","force":1}', { status: 400, error: /force/ }],
    ['/commands/activate', '[1', { status: 400, details: { cause: 'ERR_REQUEST_BODY' } }],
    ['/commands/actvate', '{}', { status: 400, details: { cause: 'ERR_REQUEST_VERB' } }],
    ['/commands/broken', '{}', { status: 500, code: 'INTERNAL', error: 'a defect' }],
    ['/commands/activate', `{"model":"${'x'.repeat(2 << 20)}"}`, { status: 400 }],
  ] as const) {
    const answer = await ask('POST', path, { body })
    t.match(answer.json, expected, path + body.slice(0, 40))
    t.equal(answer.status, answer.json.status)
  }
  t.match((await ask('GET', '/jobs/none')).json, { status: 400, details: { cause: 'ERR_REQUEST_JOB' } })
})

test('models, devices, jobs and status are listed', async t => {
  const { ask } = await open(t)
  await ask('POST', '/commands/requantize', { body: '{"model":"fashion"}' })
  t.match((await ask('GET', '/models')).json, [{ name: 'fashion', active: '2' }])
  t.match((await ask('GET', '/devices')).json, [{ id: 'cpu0' }])
  t.match((await ask('GET', '/jobs')).json, [{ job_id: 'job-1' }])
  t.match((await ask('GET', '/jobs/job-1')).json, { job_id: 'job-1' })
  t.same((await ask('GET', '/status')).json, { state: 'online' })
})

test('the events of a job end with its terminal state', async t => {
  const { gateway, ask } = await open(t)
  gateway.script = [
    { state: 'running', progress: 0.5 },
    { state: 'succeeded', progress: 1, sentence: 'done' },
  ]
  await ask('POST', '/commands/requantize', { body: '{"model":"fashion"}' })
  const states = async () =>
    (await ask('GET', '/jobs/job-1/events')).text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).state)
  const seen = await states()
  t.equal(seen.at(-1), 'succeeded')
  t.same(await states(), ['succeeded'], 'a finished job is told at once')
})

test('closing ends the event stream of a job that still runs', async t => {
  const { server, ask } = await open(t)
  await ask('POST', '/commands/requantize', { body: '{"model":"fashion"}' })
  const stream = ask('GET', '/jobs/job-1/events')
  await new Promise(resolve => setImmediate(resolve))
  await ask('GET', '/status')
  await server.close()
  t.equal(JSON.parse((await stream).text.trim()).state, 'queued')
})

test('an uploaded bundle lies under its hash until it is discarded', async t => {
  const { uploads, ask } = await open(t)
  const body = Buffer.alloc(200_000, 7)
  const sha256 = createHash('sha256').update(body).digest('hex')
  const { json } = await ask('PUT', '/bundles', { body, type: 'application/x-tar' })
  t.match(json, { sha256, sizeBytes: 200_000 })
  t.equal(uploads.path(sha256), json.path)
  t.ok(readFileSync(String(json.path)).equals(body))
  t.equal((await ask('DELETE', `/bundles/${sha256}`)).status, 204)
  t.equal(uploads.path(sha256), undefined)
  t.equal(uploads.path('../../etc/passwd'), undefined)
})

test('an upload above the limit is refused and leaves nothing', async t => {
  const { uploads, folder, ask } = await open(t, { maxBytes: 1000 })
  writeFileSync(join(folder, 'marker'), '')
  const body = Buffer.alloc(1001)
  const answer = await ask('PUT', '/bundles', { body, type: 'application/x-tar' })
  t.match(answer.json, { details: { cause: 'ERR_STORE_UPLOAD' } })
  t.equal(uploads.path(createHash('sha256').update(body).digest('hex')), undefined)
})
