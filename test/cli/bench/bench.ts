import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../../../src/paths.js'
import { quantd } from '../../fixtures/cli.js'
import { Mosquitto } from '../../fixtures/mqtt/mosquitto.js'

const scratch = () => readdirSync(tmpdir()).filter(name => name.startsWith('quantd-scratch-'))

test('bench serve sweeps on a daemon of its own and leaves nothing behind', async t => {
  const broker = await Mosquitto.start({ persistence: 'nothing' })
  t.teardown(() => broker.close())
  const before = scratch()
  const args = [
    '--broker',
    broker.url,
    '--count',
    '20',
    '--bytes',
    '100',
    '--in-flight',
    '1,3',
    '--qos',
    '0,1',
    '--durability',
    'none,journal',
    '--json',
  ]
  const { code, out } = await quantd(['bench', 'serve', ...args], { env: { PATH: process.env.PATH ?? '' } })
  t.equal(code, 0)
  const rows = JSON.parse(out) as readonly { durability: string; qos: number; inFlight: number; requests: number; failed: number }[]
  t.same(
    rows.map(({ durability, qos, inFlight }) => `${durability} ${qos} ${inFlight}`),
    ['memory 0 1', 'memory 0 3', 'none 1 1', 'none 1 3', 'journal 1 1', 'journal 1 3'],
  )
  for (const { requests, failed } of rows) t.same({ requests, failed }, { requests: 20, failed: 0 })
  t.same(scratch(), before)
})

test('bench device times two files in turn, on zeros or on a sample', async t => {
  const bundle = join(packageRoot, 'src/demo/data/bundle')
  const model = join(bundle, 'fashion-resnet.onnx')
  const { code, out } = await quantd(['bench', 'device', '--float', model, '--int8', model, '--seconds', '1', '--json'])
  t.equal(code, 0)
  const { float_us, ratio, rounds, threads } = JSON.parse(out) as Record<string, number>
  t.ok(float_us! > 0 && ratio! > 0 && rounds! >= 20 && threads === 1, out)
  t.match(await quantd(['bench', 'device', '--float', model, '--int8', join(bundle, 'missing.onnx')]), { code: 3, err: /ERR_ENGINE_OPEN/ })
})
