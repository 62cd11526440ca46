import { pbkdf2Sync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { Config } from '../../../src/config/schema.js'
import { brokerOf } from '../../../src/gateway/mqtt/broker.js'
import { Connection } from '../../../src/gateway/mqtt/connection.js'
import { packageRoot } from '../../../src/paths.js'
import { Mosquitto } from '../../fixtures/mqtt/mosquitto.js'
import { until } from '../../fixtures/mqtt/rig.js'

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

/** Made by test/fixtures/mqtt/tls/make.sh. */
const certificate = (name: string) => join(packageRoot, 'test/fixtures/mqtt/tls', name)

function connectionTo(t: Test, broker: object): Connection {
  const connection = new Connection({
    broker: brokerOf(config(broker)),
    clientId: 'quantd-gw1-test',
    receiveMaximum: 4,
    maximumPacketSize: 100_000,
    onMessage: (_, acknowledge) => acknowledge(),
    onUp: () => undefined,
  })
  connection.start()
  t.teardown(() => connection.close(0))
  return connection
}

test('TLS with a client certificate reaches the broker; an unknown authority does not', async t => {
  const broker = await Mosquitto.start({
    config: [
      `cafile ${certificate('ca.pem')}`,
      `certfile ${certificate('server.pem')}`,
      `keyfile ${certificate('server.key')}`,
      'require_certificate true',
      'use_identity_as_username true',
    ],
  })
  t.teardown(() => broker.close())
  const url = `mqtts://127.0.0.1:${broker.port}`
  const good = connectionTo(t, { url, ca_file: certificate('ca.pem'), cert_file: certificate('gw1.pem'), key_file: certificate('gw1.key') })
  await until(() => good.up, 'a connection')
  const stranger = connectionTo(t, {
    url,
    ca_file: certificate('other.pem'),
    cert_file: certificate('gw1.pem'),
    key_file: certificate('gw1.key'),
  })
  const nobody = connectionTo(t, { url, ca_file: certificate('ca.pem') })
  await until(() => stranger.failures > 1 && nobody.failures > 1, 'failed attempts')
  t.equal(stranger.up, undefined)
  t.equal(nobody.up, undefined)
})

test('a wrong password is refused and tried again, and the right one gets in', async t => {
  const folder = t.testdir({ right: 'secret\n', wrong: 'guess\n' })
  const passwords = join(folder, 'passwords')
  // mosquitto_passwd -b: $7$ = PBKDF2 with SHA-512.
  const salt = Buffer.from('quantd-salt!')
  const hash = pbkdf2Sync('secret', salt, 101, 64, 'sha512').toString('base64')
  writeFileSync(passwords, `gw1:$7$101$${salt.toString('base64')}$${hash}\n`)
  const broker = await Mosquitto.start({ config: [`password_file ${passwords}`, 'allow_anonymous false'] })
  t.teardown(() => broker.close())
  const guest = connectionTo(t, { url: broker.url, password_file: join(folder, 'wrong') })
  const gateway = connectionTo(t, { url: broker.url, password_file: join(folder, 'right') })
  await until(() => gateway.up, 'a connection')
  await until(() => guest.failures > 1, 'failed attempts')
  t.equal(guest.up, undefined)
})
