import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { writeNullBundle } from '../../src/cli/bench/null-model.js'
import { loadConfig } from '../../src/config/load.js'
import { startDaemon } from '../../src/daemon.js'
import { EmbeddedBroker } from '../../src/demo/broker.js'
import { setLogLevel } from '../../src/log.js'
import { openArrays } from '../../src/samples/array-archive.js'
import { formatNpy } from '../../src/samples/write-npz.js'
import { quantd } from '../fixtures/cli.js'
import { Mosquitto } from '../fixtures/mqtt/mosquitto.js'
import { shortFolder } from '../fixtures/short-folder.js'

setLogLevel('silent')

/** A whole daemon on `url` that serves a model of 8 bytes whose answer is its input's shape, and command lines that reach it. */
async function open(t: Test, url: string) {
  const folder = shortFolder(t)
  const file = join(folder, 'quantd.yaml')
  writeFileSync(
    file,
    JSON.stringify({ gateway: 'cli-test', discovery: { gpu: false, usb: false }, http: { listen: 'off' }, log: { level: 'silent' } }),
  )
  const config = await loadConfig(file, { overrides: { broker: url, state: join(folder, 'state') }, env: {} })
  const daemon = await startDaemon(config)
  t.teardown(() => daemon.close())
  await writeNullBundle(join(folder, 'null'), { name: 'null', bytes: 8, durability: 'journal' })
  const here = (...args: readonly string[]) => quantd([...args, '--state', join(folder, 'state')])
  const afar = (...args: readonly string[]) => quantd([...args, '--broker', url, '--gateway', 'cli-test'])
  t.match(await here('load', join(folder, 'null')), { code: 0, out: /null: ready, version 1 answers/ })
  return { folder, here, afar }
}

async function verbs(t: Test, { afar }: { afar: (...args: readonly string[]) => ReturnType<typeof quantd> }) {
  t.match(JSON.parse((await afar('models', '--json')).out), [{ name: 'null', active: '1', state: 'ready' }])
  t.match((await afar('devices')).out, /cpu0 +cpu/)
  t.match(await afar('capture', 'null', '--mode', 'on'), { code: 0, out: /mode: on/ })
  t.match(await afar('activate', 'null', '7'), { code: 2, err: /VERSION_NOT_FOUND/ })
  t.match(await afar('load', '/tmp'), { code: 2, err: /cannot take files/ })
  const job = await afar('requantize', 'null', '--json')
  t.equal(job.code, 3, 'the job ran and had no samples')
  t.match(JSON.parse(job.out), { state: 'failed', error: { code: 'ERR_JOB_SAMPLES' } })
}

async function inference(t: Test, { folder, afar }: Awaited<ReturnType<typeof open>>) {
  const raw = join(folder, 'raw.bin')
  writeFileSync(raw, Buffer.alloc(8, 1))
  t.match(await afar('infer', 'null', raw), { code: 0, out: /raw\.bin[\s\S]*size int64\[2\]/ })
  const rows = join(folder, 'rows.npy')
  writeFileSync(rows, formatNpy({ dtype: 'uint8', shape: [3, 8], data: new Uint8Array(24) }))
  const json = await afar('infer', 'null', rows, '--json')
  t.match(
    JSON.parse(json.out),
    [0, 1, 2].map(() => ({ outputs: { size: { dtype: 'int64', shape: [2], data: ['1', '8'] } } })),
  )
  const out = join(folder, 'out.npz')
  t.match(await afar('infer', 'null', rows, '--out', out), { code: 0, out: /3 answers/ })
  const archive = await openArrays(out)
  t.same(archive.arrays.get('size')?.header.shape, [3, 2], 'one row per request')
  await archive.close()
  const request = join(folder, 'request.json')
  writeFileSync(request, JSON.stringify({ inputs: [{ name: 'input', datatype: 'UINT8', shape: [1, 8], data: [1, 2, 3, 4, 5, 6, 7, 8] }] }))
  t.match(await afar('infer', 'null', request), { code: 0, out: /size int64\[2\]/ })
  writeFileSync(request, '{"inputs":[]}')
  t.match(await afar('infer', 'null', request), { code: 3, err: /ERR_REQUEST_INPUTS/ })
  t.match(await afar('infer', 'null', join(folder, 'missing.png')), { code: 3, err: /ERR_CLI_INPUT/ })
  t.match(await afar('infer', 'null', raw, '--version', '9'), { code: 2, err: /VERSION_NOT_FOUND/ })
}

test('verbs and inference reach a daemon over mosquitto, MQTT 5', async t => {
  const broker = await Mosquitto.start({ persistence: 'nothing' })
  t.teardown(() => broker.close())
  const opened = await open(t, broker.url)
  await verbs(t, opened)
  await inference(t, opened)
})

test('and over a broker of MQTT 3.1.1, by what their bodies carry', async t => {
  const broker = await EmbeddedBroker.start()
  t.teardown(() => broker[Symbol.asyncDispose]())
  const opened = await open(t, broker.url)
  await verbs(t, opened)
  await inference(t, opened)
  t.ok(existsSync(join(opened.folder, 'out.npz')) && readFileSync(join(opened.folder, 'out.npz')).length > 100)
})

test('a publish that the ACL forbids is told as such, at once', async t => {
  const acl = join(t.testdir({}), 'acl')
  writeFileSync(acl, 'topic read quantd-reply/#\n')
  const broker = await Mosquitto.start({ persistence: 'nothing', config: [`acl_file ${acl}`] })
  t.teardown(() => broker.close())
  const { code, err } = await quantd(['models', '--broker', broker.url, '--gateway', 'gw1'])
  t.equal(code, 1)
  t.match(err, /ERR_CLI_BROKER: the broker refused to publish on quantd\/gw1\/cmd\/models\/-: .*[Nn]ot authorized/)
})

test('without a daemon on this host and without a gateway on the broker, both are named at once', async t => {
  const broker = await Mosquitto.start({ persistence: 'nothing' })
  t.teardown(() => broker.close())
  const folder = shortFolder(t)
  const file = join(folder, 'quantd.yaml')
  writeFileSync(file, JSON.stringify({ gateway: 'gw7', broker: { url: broker.url }, state_dir: folder, runtime_dir: join(folder, 'run') }))
  const { code, err } = await quantd(['models', '--config', file])
  t.equal(code, 1)
  t.match(err, /ERR_CLI_UNREACHABLE: nobody listens on quantd\/gw7\/cmd\/models\/-/)
  t.match(
    err,
    `there is no gateway gw7 on ${broker.url} (and no daemon of this host on ${folder}/run/control.sock or ${folder}/control.sock)`,
  )
  await broker.kill()
  t.match(
    (await quantd(['models', '--config', file])).err,
    `no daemon answers on ${folder}/run/control.sock or ${folder}/control.sock, and broker: `,
  )
})
