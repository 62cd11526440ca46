import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { freeBytes } from '../../src/gateway/store/disk.js'
import { Stand } from '../bench/stand.js'
import { demoBundle } from '../fixtures/gateway/site.js'
import { Listener, until } from '../fixtures/mqtt/rig.js'
import { smallDisk } from '../fixtures/small-disk.js'

const model = 'fashion-resnet'
const MiB = 2 ** 20

interface Told {
  readonly state?: string
  readonly reasons?: readonly string[]
  readonly model?: string
  readonly reason?: string
}

test('a disk that fills up stops capture first, then durability, never the answers; all comes back with the space', async t => {
  const disk = smallDisk(t, 28)
  if (disk === undefined) {
    t.pass('a small disk', { skip: 'no right to mount a small file system here' })
    return
  }
  const stand = await Stand.open(['capture: { reserve_mb: 4 }'], { stateDir: disk })
  t.teardown(() => stand.close())
  const ops = await Listener.connect(t, { url: stand.url, topics: ['quantd/bench/status', 'quantd/bench/event/+'] })
  const told = (topic: string, wanted: (told: Told) => boolean) =>
    ops.next(`quantd/bench/${topic}`, ({ text }) => wanted(JSON.parse(text) as Told))
  const ask = () => stand.infer(model, Buffer.alloc(784, 90), { contentType: 'application/octet-stream' })
  const captured = async () => (await stand.quantd('capture', model)) as { samples: number; stopped?: string }
  await stand.quantd('load', demoBundle)
  for (let index = 0; index < 5; index += 1) t.equal((await ask()).status, 200)
  await until(() => freeBytes(disk) > 8 * MiB, 'room')
  t.match(await captured(), { samples: 5 })

  // Into the reserve: capture and jobs stop, the journal still has room.
  const ballast = join(disk, 'ballast')
  writeFileSync(ballast, Buffer.alloc(freeBytes(disk) - 3 * MiB))
  const served = await ask()
  t.match(served, { status: 200, version: '1' })
  t.notOk('durable' in served.properties, 'in the journal as before')
  await told('event/capture.full', ({ model: of, reason }) => of === model && reason === 'disk full')
  t.match(await captured(), { samples: 5, stopped: 'disk full' })
  t.match(await stand.command('requantize', { model }), { status: 507, body: { code: 'INSUFFICIENT_STORAGE', retryable: true } })

  // Full to the last byte: requests are answered all the same, and say that no journal holds them.
  appendFileSync(ballast, Buffer.alloc(freeBytes(disk)))
  t.equal(freeBytes(disk), 0)
  let undurable = 0
  const statuses = new Set<number>()
  const caller = async () => {
    for (let index = 0; index < 1500 && undurable < 50; index += 1) {
      const { status, properties } = await ask()
      statuses.add(status)
      if (properties.durable === '0') undurable += 1
    }
  }
  await Promise.all(Array.from({ length: 8 }, caller))
  t.ok(undurable >= 50, 'the journal is full')
  t.same([...statuses], [200])
  await told('event/journal.undurable', ({ reason }) => reason !== undefined)
  await told('status', ({ state, reasons }) => state === 'degraded' && /journal/.test(reasons?.join() ?? ''))
  t.match(await stand.quantd('models'), [{ name: model, state: 'ready', active: '1' }])

  // In strict mode they are refused instead.
  const file = join(stand.folder, 'quantd.yaml')
  const config = readFileSync(file, 'utf8')
  writeFileSync(file, `${config}\nmqtt: { strict_durability: true }\n`)
  await stand.quantd('reload-config')
  const refused = await ask()
  t.equal(refused.status, 507)
  t.match(JSON.parse(refused.body.toString()), { code: 'INSUFFICIENT_STORAGE', retryable: true, details: { cause: 'ERR_MQTT_UNDURABLE' } })
  writeFileSync(file, config)
  await stand.quantd('reload-config')

  // A start on a full disk serves, too.
  await stand.kill('daemon')
  stand.startDaemon()
  await stand.ready()
  t.equal((await ask()).status, 200)

  rmSync(ballast)
  await until(async () => (await ask()).properties.durable === undefined, 'a journal again')
  await told('status', ({ state }) => state === 'online')
  const before = (await captured()).samples
  await until(async () => (await ask()).status === 200 && (await captured()).samples > before, 'capture again')
  t.notOk((await captured()).stopped)
  t.equal((await stand.command('requantize', { model })).status, 202)
})
