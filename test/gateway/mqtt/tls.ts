import { pbkdf2Sync } from 'node:crypto'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { Config } from '../../../src/config/schema.js'
import { brokerOf } from '../../../src/gateway/mqtt/broker.js'
import { Connection } from '../../../src/gateway/mqtt/connection.js'
import { setLogLevel } from '../../../src/log.js'
import { packageRoot } from '../../../src/paths.js'
import { Mosquitto } from '../../fixtures/mqtt/mosquitto.js'
import { Listener, Rig, until } from '../../fixtures/mqtt/rig.js'

setLogLevel('silent')

/** Made by test/fixtures/mqtt/tls/make.sh. */
const certificate = (name: string) => join(packageRoot, 'test/fixtures/mqtt/tls', name)
const ca_file = certificate('ca.pem')
const client = { cert_file: certificate('gw1.pem'), key_file: certificate('gw1.key') }

/** Lines of mosquitto.conf for a listener with the certificate of this name. */
const tlsOf = (name: string, requires: 'a client certificate' | 'none' = 'none') => [
  `cafile ${ca_file}`,
  `certfile ${certificate(`${name}.pem`)}`,
  `keyfile ${certificate(`${name}.key`)}`,
  `require_certificate ${requires === 'none' ? 'false' : 'true'}`,
]

/** Lines for one user with the password 'secret', as mosquitto_passwd -b writes it: $7$ is PBKDF2 with SHA-512. */
function loginOf(folder: string, user: string): string[] {
  const salt = Buffer.from('quantd-salt!')
  const hash = pbkdf2Sync('secret', salt, 101, 64, 'sha512').toString('base64')
  writeFileSync(join(folder, 'passwords'), `${user}:$7$101$${salt.toString('base64')}$${hash}\n`)
  return [`password_file ${join(folder, 'passwords')}`, 'allow_anonymous false']
}

async function mosquitto(t: Test, config: readonly string[]): Promise<Mosquitto> {
  const broker = await Mosquitto.start({ persistence: 'nothing', config })
  t.teardown(() => broker.close())
  return broker
}

const overTls = (broker: Mosquitto) => `mqtts://127.0.0.1:${broker.port}`

function connectionTo(t: Test, broker: object): Connection {
  const config = Config.parse({ gateway: 'gw1', broker })
  const connection = new Connection({
    broker: () => brokerOf(config),
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

/** It fails with `code`, at least twice; after `mend` it is connected by itself. */
async function failsUntilMended(t: Test, connection: Connection, code: string, mend: () => void | Promise<void>): Promise<void> {
  await until(() => connection.failures > 1 && connection.why?.code === code, `${code}, but ${connection.why?.code}`)
  t.equal(connection.up, undefined)
  await mend()
  await until(() => connection.up, `a connection after ${code}; ${connection.why?.message}`)
  t.equal(connection.why, undefined)
}

/** The broker is started again with these lines. */
const restartedWith = (broker: Mosquitto, config: readonly string[]) => async () => {
  await broker.kill()
  broker.configure({ persistence: 'nothing', config })
  await broker.start()
}

test('a gateway with TLS, a client certificate and a password serves', async t => {
  const folder = t.testdir({ secret: 'secret\n', state: {} })
  const broker = await mosquitto(t, [...tlsOf('server', 'a client certificate'), ...loginOf(folder, 'gw1')])
  const url = overTls(broker)
  const password_file = join(folder, 'secret')
  const rig = await Rig.start(t, { url, folder: join(folder, 'state'), config: { broker: { ca_file, ...client, password_file } } })
  await rig.connected()
  const account = {
    ca: readFileSync(ca_file),
    cert: readFileSync(client.cert_file),
    key: readFileSync(client.key_file),
    username: 'gw1',
    password: 'secret',
  }
  const app = await Listener.connect(t, { url, topics: ['quantd/#', 'quantd-reply/app/#'], account })
  await app.next('quantd/gw1/status', ({ text }) => JSON.parse(text).state === 'online')
  const answer = await app.ask('quantd/gw1/infer/null/app', Buffer.alloc(4), { contentType: 'application/octet-stream' })
  t.equal(answer.properties.status, '200')
  t.notMatch(JSON.stringify(rig.gateway.status()), /secret/)
})

test('the status of a gateway that does not reach its broker says why', async t => {
  const broker = await mosquitto(t, tlsOf('server-expired'))
  const rig = await Rig.start(t, { url: overTls(broker), config: { broker: { ca_file } } })
  await until(() => 'why' in rig.gateway.status().broker, 'a reason')
  t.match(rig.gateway.status(), {
    broker: { control: null, why: { code: 'ERR_MQTT_TLS_EXPIRED', error: /certificate has expired/ } },
    reasons: [/certificate has expired/],
  })
  await restartedWith(broker, tlsOf('server'))()
  await rig.connected()
  t.same(rig.gateway.status().reasons, [])
})

test('a certificate for another host', async t => {
  const broker = await mosquitto(t, tlsOf('server-elsewhere'))
  const connection = connectionTo(t, { url: overTls(broker), ca_file })
  await until(() => connection.why, 'a reason')
  t.match(connection.why?.message, /127\.0\.0\.1.*broker\.example/)
  await failsUntilMended(t, connection, 'ERR_MQTT_TLS_HOST', restartedWith(broker, tlsOf('server')))
})

test('an expired certificate of the broker', async t => {
  const broker = await mosquitto(t, tlsOf('server-expired'))
  const connection = connectionTo(t, { url: overTls(broker), ca_file })
  await failsUntilMended(t, connection, 'ERR_MQTT_TLS_EXPIRED', restartedWith(broker, tlsOf('server')))
})

test('an authority that is not known here, until its file is put right', async t => {
  const folder = t.testdir({ 'ca.pem': readFileSync(certificate('other.pem')) })
  const broker = await mosquitto(t, tlsOf('server'))
  const connection = connectionTo(t, { url: overTls(broker), ca_file: join(folder, 'ca.pem') })
  await failsUntilMended(t, connection, 'ERR_MQTT_TLS_UNTRUSTED', () => copyFileSync(ca_file, join(folder, 'ca.pem')))
})

test('without ca_file the authorities of the system hold', async t => {
  const broker = await mosquitto(t, tlsOf('server'))
  const connection = connectionTo(t, { url: overTls(broker) })
  await until(() => connection.why, 'a reason')
  t.match(connection.why, { code: 'ERR_MQTT_TLS_UNTRUSTED', message: /ca_file/ })
})

test('a broker that wants a client certificate', async t => {
  const broker = await mosquitto(t, tlsOf('server', 'a client certificate'))
  const connection = connectionTo(t, { url: overTls(broker), ca_file })
  await failsUntilMended(t, connection, 'ERR_MQTT_TLS_CLIENT', restartedWith(broker, tlsOf('server')))
})

test('an expired client certificate, until it is renewed in its place', async t => {
  const folder = t.testdir({
    'gw1.pem': readFileSync(certificate('gw1-expired.pem')),
    'gw1.key': readFileSync(certificate('gw1-expired.key')),
  })
  const broker = await mosquitto(t, tlsOf('server', 'a client certificate'))
  const [cert_file, key_file] = [join(folder, 'gw1.pem'), join(folder, 'gw1.key')]
  const connection = connectionTo(t, { url: overTls(broker), ca_file, cert_file, key_file })
  await failsUntilMended(t, connection, 'ERR_MQTT_TLS_CLIENT', () => {
    copyFileSync(client.cert_file, cert_file)
    copyFileSync(client.key_file, key_file)
  })
})

test("another certificate's key, or no certificate at all, does not end the daemon", async t => {
  const folder = t.testdir({ 'gw1.pem': readFileSync(client.cert_file), 'gw1.key': readFileSync(certificate('server.key')) })
  const [cert_file, key_file] = [join(folder, 'gw1.pem'), join(folder, 'gw1.key')]
  const broker = await mosquitto(t, tlsOf('server', 'a client certificate'))
  const connection = connectionTo(t, { url: overTls(broker), ca_file, cert_file, key_file })
  await until(() => connection.why, 'a reason')
  t.equal(connection.why?.code, 'ERR_MQTT_TLS')
  writeFileSync(key_file, 'no key\n')
  await failsUntilMended(t, connection, 'ERR_MQTT_TLS', () => copyFileSync(client.key_file, key_file))
})

test('a wrong password, until its file is put right', async t => {
  const folder = t.testdir({ secret: 'guess\n' })
  const broker = await mosquitto(t, loginOf(folder, 'gw1'))
  const connection = connectionTo(t, { url: broker.url, password_file: join(folder, 'secret') })
  await until(() => connection.why, 'a reason')
  t.notMatch(connection.why?.message, /guess/)
  await failsUntilMended(t, connection, 'ERR_MQTT_LOGIN', () => writeFileSync(join(folder, 'secret'), 'secret\n'))
})

test('a wrong password over MQTT 3.1.1 is told as such, too', async t => {
  const folder = t.testdir({ secret: 'guess\n' })
  const broker = await mosquitto(t, loginOf(folder, 'gw1'))
  const connection = connectionTo(t, { url: broker.url, password_file: join(folder, 'secret'), protocol: '3.1.1' })
  await until(() => connection.why?.code === 'ERR_MQTT_LOGIN', 'the refusal')
  t.equal(connection.up, undefined)
})

test('TLS on a port without, no TLS on a port with, and nobody there', async t => {
  const plain = await mosquitto(t, [])
  const wanting = connectionTo(t, { url: overTls(plain), ca_file })
  const broker = await mosquitto(t, tlsOf('server'))
  const lacking = connectionTo(t, { url: broker.url })
  await until(() => wanting.failures > 1 && lacking.failures > 1, 'failures')
  t.match(wanting.why, { code: 'ERR_MQTT_UNREACHABLE', message: /does this port speak TLS/ })
  t.match(lacking.why, { code: 'ERR_MQTT_UNREACHABLE', message: /mqtts:\/\// })
  await plain.kill()
  await until(() => /ECONNREFUSED/.test(wanting.why?.message ?? ''), 'nobody')
  t.equal(wanting.why?.code, 'ERR_MQTT_UNREACHABLE')
})
