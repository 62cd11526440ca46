import { test } from 'tap'
import { Mosquitto } from '../../fixtures/mqtt/mosquitto.js'
import { Listener, Rig } from '../../fixtures/mqtt/rig.js'

const infer = 'quantd/gw1/infer/null/app'

test('a request over mosquitto is answered through journal, queue and device worker', async t => {
  const broker = await Mosquitto.start()
  t.teardown(() => broker.close())
  const rig = await Rig.start(t, { url: broker.url })
  const app = await Listener.connect(t, { url: broker.url, topics: ['quantd-reply/app/#'] })
  await rig.connected()
  const answer = await app.ask(infer, Buffer.from([1, 2, 3, 4]), { contentType: 'application/octet-stream', correlation: 'one' })
  t.match(JSON.parse(answer.text), {
    model_name: 'null',
    model_version: '1',
    outputs: [{ name: 'logits', shape: [1, 3], data: [10, 11, 12] }],
  })
  t.match(answer.properties, {
    status: '200',
    'model-version': '1',
    device: 'cpu0',
    'queue-us': /^\d+$/,
    'infer-us': /^\d+$/,
    'total-us': /^\d+$/,
  })
  t.match(rig.journal.figures(), { inbox: 0, remembered: 1, durable: true })
})
