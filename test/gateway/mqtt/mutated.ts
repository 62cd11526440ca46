import type { IClientPublishOptions } from 'mqtt'
import { test } from 'tap'
import { Mosquitto } from '../../fixtures/mqtt/mosquitto.js'
import { Listener, Rig, until } from '../../fixtures/mqtt/rig.js'
import { mutate, randomFrom } from '../../fixtures/mutate.js'

/** QUANTD_FUZZ=10000 QUANTD_SEED=... runs the long form. */
const count = Number(process.env.QUANTD_FUZZ ?? 400)
const seed = Number(process.env.QUANTD_SEED ?? 20_261_124)

const header = JSON.stringify({ inputs: [{ name: 'image', shape: [1, 4], datatype: 'UINT8', parameters: { binary_data_size: 4 } }] })
const requests: readonly (readonly [string, string, Buffer, Record<string, string>])[] = [
  ['infer/null', 'application/octet-stream', Buffer.from([1, 2, 3, 4]), {}],
  [
    'infer/null',
    'application/json',
    Buffer.from(JSON.stringify({ inputs: [{ name: 'image', shape: [1, 4], datatype: 'UINT8', data: [1, 2, 3, 4] }] })),
    {},
  ],
  [
    'infer/null',
    'application/vnd.oip.v2+octet-stream',
    Buffer.concat([Buffer.from(header), Buffer.from([1, 2, 3, 4])]),
    { 'json-len': String(header.length) },
  ],
  ['infer/null', 'image/jpeg', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 74, 70]), {}],
  ['cmd/activate', 'application/json', Buffer.from('{"model":"null","version":"2"}'), {}],
  ['cmd/requantize', 'application/json', Buffer.from('{"model":"null"}'), {}],
]
const strange: Readonly<Record<string, readonly string[]>> = {
  v: ['1', '2', '', 'ü', '-1'],
  'json-len': ['0', '-1', '1e9', 'NaN', '99999999999999999999', '1.5', ' '],
  prio: ['0', '3', '4', '-0', 'Infinity', ''],
  version: ['1', '', '../1', '9'.repeat(300)],
  id: ['', 'x'.repeat(300)],
  'timeout-ms': ['60000', '1e99', 'NaN', '-5'],
}
const contentTypes = ['', 'application/json;charset=latin1', 'text/plain', 'IMAGE/PNG', 'application/octet-stream', 'x'.repeat(500)]

test(`${count} mutated requests and commands each get one answer: a right one or a code (seed ${seed})`, async t => {
  t.setTimeout(30_000 + count * 50)
  const random = randomFrom(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const broker = await Mosquitto.start({ persistence: 'nothing' })
  t.teardown(() => broker.close())
  const rig = await Rig.start(t, { url: broker.url, limits: { perCaller: 1000, queue: 1000 } })
  const app = await Listener.connect(t, { url: broker.url, topics: ['quantd-reply/app/#'] })
  await rig.connected()
  const ends: Record<string, number> = {}
  for (let index = 0; index < count; ) {
    const correlations: string[] = []
    for (let burst = 0; burst < 8; burst += 1, index += 1) {
      const [topic, contentType, body, given] = pick(requests)
      const correlation = `r${index}`
      correlations.push(correlation)
      const userProperties: Record<string, string> = { ...given }
      if (random() < 0.3) {
        const name = pick(Object.keys(strange))
        userProperties[name] = pick(strange[name] ?? [])
      }
      const properties: NonNullable<IClientPublishOptions['properties']> = {
        responseTopic: 'quantd-reply/app/1',
        correlationData: Buffer.from(correlation),
        contentType: random() < 0.15 ? pick(contentTypes) : contentType,
        // MQTT.js writes an empty object of them as a malformed packet.
        ...(Object.keys(userProperties).length === 0 ? {} : { userProperties }),
        ...(random() < 0.2 ? { payloadFormatIndicator: random() < 0.5 } : {}),
      }
      const payload = Buffer.from(random() < 0.8 ? mutate(body, random) : body)
      await app.client.publishAsync(`quantd/gw1/${topic}/app`, payload, { qos: random() < 0.5 ? 0 : 1, properties })
    }
    await until(
      () =>
        correlations.every(correlation => app.heard.some(({ packet }) => packet.properties?.correlationData?.toString() === correlation)),
      `answers to ${correlations}`,
    )
    for (const correlation of correlations) {
      const answers = app.heard.filter(({ packet }) => packet.properties?.correlationData?.toString() === correlation)
      if (answers.length !== 1) t.fail(`${correlation}: ${answers.length} answers`)
      const { properties, text } = answers[0]!
      const code = properties.status === '200' || properties.status === '202' ? 'answered' : (JSON.parse(text) as { code: string }).code
      if (code === 'INTERNAL') t.fail(`${correlation}: ${text}`)
      ends[code] = (ends[code] ?? 0) + 1
    }
    app.heard.splice(0)
  }
  t.ok((ends.answered ?? 0) > 0 && (ends.INVALID_ARGUMENT ?? 0) > 0 && (ends.SHAPE_MISMATCH ?? 0) > 0, JSON.stringify(ends))
  t.equal(rig.worker.figures().restarts, 0)
  t.match(rig.journal.figures(), { inbox: 0, durable: true })
})
