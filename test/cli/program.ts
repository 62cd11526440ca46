import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { ControlServer } from '../../src/gateway/http/control-server.js'
import type { Job } from '../../src/gateway/jobs/job.js'
import { Uploads } from '../../src/gateway/store/uploads.js'
import { quantd } from '../fixtures/cli.js'
import { FakeGateway } from '../fixtures/gateway/fake-gateway.js'
import { shortFolder } from '../fixtures/short-folder.js'

/** A gateway in memory behind a real control socket, and the arguments that lead there. */
async function open(t: Test) {
  const folder = shortFolder(t)
  const gateway = new FakeGateway()
  const received: Buffer[] = []
  const uploads = new Uploads(join(folder, 'state'))
  const load = gateway.commands.find(({ verb }) => verb === 'load')!
  const commands = gateway.commands.map(command =>
    command === load
      ? {
          ...load,
          handle: async (request: never, ...rest: [never, never]) => {
            const path = uploads.path((request as { sha256: string }).sha256)
            if (path !== undefined) received.push(readFileSync(path))
            return load.handle(request, ...rest)
          },
        }
      : command,
  )
  const server = await ControlServer.start({
    paths: [join(folder, 'control.sock')],
    commands: commands as typeof gateway.commands,
    services: gateway.services,
    uploads,
    status: () => ({ state: 'online', notes: [{ probe: 'gpu', reason: 'no GPU adapter' }] }),
    uploadLimits: { maxBytes: 1 << 20, reserveBytes: 0 },
  })
  t.teardown(() => server.close())
  const run = (...args: readonly string[]) => quantd([...args, '--state', folder])
  return { gateway, folder, run, received, uploads }
}

test('an unknown command is refused with 2 and the nearest one', async t => {
  const { code, out, err } = await quantd(['requantise', 'm'])
  t.equal(code, 2)
  t.equal(out, '')
  t.match(err, /unknown command 'requantise'[\s\S]*Did you mean requantize/)
})

test('a wrong command line is refused with 2 and says what is wrong', async t => {
  for (const [args, message] of [
    [['requantize'], /missing required argument 'model'/],
    [['requantize', 'm', '--samples', 'many'], /an integer from 1/],
    [['requantize', 'm', '--max-drop', '2'], /a number from 0 to 1/],
    [['requantize', 'm', '--scheme', 'ternary'], /Allowed choices are auto, symmetric, asymmetric/],
    [['models', '--jsn'], /unknown option '--jsn'[\s\S]*--json/],
    [['bench', 'serve', '--in-flight', '1,x'], /integers from 1 to 1024/],
    [['bench', 'device'], /ERR_CLI_USAGE/],
  ] as const) {
    const { code, err } = await quantd(args)
    t.equal(code, 2, args.join(' '))
    t.match(err, message)
  }
})

test('help and version end with 0, every command has a description', async t => {
  t.match(await quantd(['--version']), { code: 0, out: /^\d+\.\d+\.\d+/ })
  const { code, out } = await quantd(['help', 'requantize'])
  t.equal(code, 0)
  t.match(out, '--max-drop')
  const help = (await quantd(['--help'])).out
  for (const name of [
    'run',
    'demo',
    'quantize',
    'devices',
    'models',
    'jobs',
    'load',
    'unload',
    'requantize',
    'activate',
    'rollback',
    'pin',
  ]) {
    t.match(help, new RegExp(`^ +${name} .*\\S`, 'm'), name)
  }
})

test('without a daemon and a broker the answer is 1, with what was tried and what to do', async t => {
  const folder = shortFolder(t)
  const { code, err } = await quantd(['models', '--state', folder], { env: { QUANTD_BROKER: 'mqtt://127.0.0.1:1' } })
  t.equal(code, 1)
  t.match(err, /ERR_CLI_UNREACHABLE: no daemon answers on .*control\.sock.*ECONNREFUSED/)
  t.match(err, /\n {2}No daemon was reached: start it with `quantd run`/)
})

test('lists are tables for people and one document with --json', async t => {
  const { run, gateway } = await open(t)
  t.match((await run('models')).out, /fashion +ready +2 +1 +- +1 float previous, 2 int8 active/)
  t.match(JSON.parse((await run('models', '--json')).out), [{ name: 'fashion', active: '2', capture: { samples: 30 } }])
  t.match((await run('devices')).out, /cpu0 +cpu +Test processor +ready +x64-vnni +served by onnxruntime/)
  t.match((await run('devices')).err, 'gpu: no GPU adapter', 'what was not found is told beside the table')
  t.match((await run('jobs')).out, 'no jobs')
  await gateway.services.jobs.start({ kind: 'bench', model: 'fashion', request: {}, trigger: 'cli', caller: 'cli' })
  t.match(JSON.parse((await run('jobs', '--json')).out), [{ kind: 'bench', state: 'queued' }])
})

test('a verb waits for its job, shows it, and ends as the job did', async t => {
  for (const [last, code] of [
    [{ state: 'succeeded', sentence: 'int8 is twice as fast', version: '3' }, 0],
    [{ state: 'rejected', sentence: 'int8 loses 4 points' }, 4],
    [{ state: 'failed', error: { code: 'ERR_SAMPLES_READ', message: 'no sample' } }, 3],
    [{ state: 'failed', error: { code: 'ERR_INTERNAL', message: 'a defect' } }, 1],
    [{ state: 'cancelled' }, 1],
  ] as const satisfies readonly (readonly [Partial<Job>, number])[]) {
    const { run, gateway } = await open(t)
    gateway.script = [{ state: 'running', stage: 'calibrate', progress: 0.3 }, last]
    const ran = await run('requantize', 'fashion')
    t.equal(ran.code, code, last.state)
    t.match(ran.out, `requantize fashion: ${last.state}`)
    if ('sentence' in last) t.match(ran.out, last.sentence)
    t.match(ran.err, 'calibrate', 'progress goes to stderr')
    gateway.script = [last]
    const json = await run('requantize', 'fashion', '--json')
    t.equal(json.code, code)
    t.equal(JSON.parse(json.out).state, last.state, 'one document, whatever the outcome')
  }
})

test('--detach returns at once with the job', async t => {
  const { run, gateway } = await open(t)
  const { code, out } = await run('requantize', 'fashion', '--detach')
  t.equal(code, 0)
  t.equal(out, 'job job-1\n')
  t.equal(gateway.services.jobs.get('job-1')?.state, 'queued')
})

test('an interrupted wait leaves the job running and says so', async t => {
  const { gateway, folder } = await open(t)
  const control = new AbortController()
  const waiting = quantd(['requantize', 'fashion', '--state', folder], { signal: control.signal })
  while (gateway.followers === 0) await new Promise(resolve => setImmediate(resolve))
  gateway.move('job-1', { state: 'running', stage: 'calibrate' })
  await new Promise(resolve => setImmediate(resolve))
  control.abort()
  const { code, err } = await waiting
  t.equal(code, 1)
  t.match(err, /ERR_ABORTED/)
  t.match(err, /job job-1 goes on; `quantd cancel job-1` ends it/)
  t.equal(gateway.services.jobs.get('job-1')?.state, 'running')
})

test("only what was said is sent: defaults are the gateway's", async t => {
  const { run, gateway } = await open(t)
  gateway.script = [{ state: 'succeeded' }]
  await run('requantize', 'fashion')
  await run('requantize', 'fashion', '--max-drop', '0.02')
  t.same(
    gateway.calls.map(({ request }) => request),
    [{ model: 'fashion' }, { model: 'fashion', max_drop: 0.02 }],
  )
})

test('a refusal prints code, message and advice, and with --json a document', async t => {
  const { run } = await open(t)
  const { code, out, err } = await run('activate', 'fashion', '9', '--json')
  t.equal(code, 2)
  t.match(err, /quantd: VERSION_NOT_FOUND \(ERR_MODEL_VERSION\): fashion has no version 9\n {2}\S/)
  t.match(JSON.parse(out), { code: 'ERR_MODEL_VERSION', wire: 'VERSION_NOT_FOUND' })
  t.match(await run('cancel', 'none'), { code: 2, err: /there is no job 'none'/ })
})

test('a folder, its .tar and a bare model are uploaded as a .tar, the same bytes each time', async t => {
  const { run, received, uploads } = await open(t)
  const folder = t.testdir({ bundle: { 'model.json': '{}', 'm.onnx': 'model' } })
  const bundle = join(folder, 'bundle')
  t.match(await run('load', bundle), { code: 0 })
  t.match(await run('load', bundle), { code: 0 })
  t.ok(received[0]!.equals(received[1]!), 'a bundle has one hash')
  writeFileSync(join(folder, 'b.tar'), received[0]!)
  t.match(await run('load', join(folder, 'b.tar'), '--name', 'other'), { code: 0, out: /other/ })
  t.match(await run('load', join(bundle, 'm.onnx')), { code: 0 })
  const names = (tar: Buffer) =>
    execFileSync('tar', ['tf', '-'], { input: tar })
      .toString()
      .trim()
      .split('\n')
      .map(name => name.replace(/^\.\//, ''))
  t.same(names(received[2]!).filter(Boolean).sort(), ['m.onnx', 'model.json'])
  t.same(names(received[3]!), ['m.onnx'])
  t.equal(uploads.path(createHash('sha256').update(received[0]!).digest('hex')), undefined, 'nothing is left behind')
})

test('what is no bundle is refused with 3, an address without its hash with 2', async t => {
  const { run, folder } = await open(t)
  mkdirSync(join(folder, 'x'))
  writeFileSync(join(folder, 'x', 'a.txt'), '')
  t.match(await run('load', join(folder, 'missing')), { code: 3, err: /there is no such bundle/ })
  t.match(await run('load', join(folder, 'x', 'a.txt')), { code: 3, err: /a folder, a \.tar of one, or an \.onnx file/ })
  t.match(await run('load', 'https://host/b.tar'), { code: 2, err: /--sha256/ })
})

test('check-config shows what was set, and every problem of a wrong file', async t => {
  const folder = t.testdir({ 'good.yaml': 'broker:\n  keepalive_s: 60\n', 'bad.yaml': 'gateway: A\nbrokr: {}\nserving:\n  queue: 0\n' })
  const good = await quantd(['check-config', join(folder, 'good.yaml')])
  t.equal(good.code, 0)
  t.match(good.out, /broker\.keepalive_s +60 +30 +integer 5 to 3600 +mqtt/)
  t.notMatch(good.out, 'capture.reserve_mb')
  t.match((await quantd(['check-config', join(folder, 'good.yaml'), '--all'])).out, 'capture.reserve_mb')
  t.equal((await quantd(['check-config', '--config', join(folder, 'good.yaml')])).code, 0, 'named as for the other commands')
  const bad = await quantd(['check-config', join(folder, 'bad.yaml')])
  t.equal(bad.code, 2)
  t.match(bad.err, /bad\.yaml:1: gateway/)
  t.match(bad.err, /bad\.yaml:2: unknown key 'brokr'; did you mean 'broker'\?/)
  t.match(bad.err, /bad\.yaml:4: serving\.queue/)
})

test('devices are looked for here when no daemon answers', async t => {
  const folder = shortFolder(t)
  writeFileSync(join(folder, 'q.yaml'), `state_dir: ${folder}\nruntime_dir: ${folder}\ndiscovery: { gpu: false, usb: false }\n`)
  const { code, out } = await quantd(['devices', '--config', join(folder, 'q.yaml'), '--json'])
  t.equal(code, 0)
  t.match(JSON.parse(out), [{ id: 'cpu0', kind: 'cpu' }])
})
