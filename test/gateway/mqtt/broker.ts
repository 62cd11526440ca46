import { join } from 'node:path'
import { test } from 'tap'
import { Config } from '../../../src/config/schema.js'
import { brokerOf } from '../../../src/gateway/mqtt/broker.js'

const config = (broker: object) => Config.parse({ gateway: 'gw1', broker })

test('the password is the first line of its file, and the user name is the gateway unless given', async t => {
  const folder = t.testdir({ secret: 'pa:ss wörd\nsecond line\n' })
  const password_file = join(folder, 'secret')
  t.match(brokerOf(config({ password_file })).options, { username: 'gw1', password: 'pa:ss wörd', keepalive: 30 })
  t.match(brokerOf(config({ password_file, username: 'me' })).options, { username: 'me' })
  t.same(Object.keys(brokerOf(config({})).options), ['keepalive'], 'nobody without a password')
  t.throws(() => brokerOf(config({ password_file: join(folder, 'none') })), {
    code: 'ERR_MQTT_CREDENTIALS',
    details: { path: join(folder, 'none') },
  })
})

test('auto tries MQTT 5 first and falls back, a named version is the only one', async t => {
  t.same(brokerOf(config({})).versions, [5, 4])
  t.same(brokerOf(config({ protocol: '5' })).versions, [5])
  t.same(brokerOf(config({ protocol: '3.1.1' })).versions, [4])
})
