import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { Config } from '../../../src/config/schema.js'
import { brokerOf } from '../../../src/gateway/mqtt/broker.js'
import { Connection } from '../../../src/gateway/mqtt/connection.js'
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

/** A certificate authority, a server and a client certificate in `folder`. */
function makeCertificates(folder: string): void {
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  writeFileSync(join(folder, 'san'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  for (const name of ['ca', 'other'])
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-subj',
      `/CN=${name}`,
      '-days',
      '2',
    )
  for (const name of ['server', 'gw1']) {
    openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/CN=${name}`,
    )
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-out',
      `${name}.pem`,
      '-days',
      '2',
      '-extfile',
      'san',
    )
  }
}

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
  const folder = t.testdir()
  makeCertificates(folder)
  const file = (name: string) => join(folder, name)
  const broker = await Mosquitto.start({
    config: [
      `cafile ${file('ca.pem')}`,
      `certfile ${file('server.pem')}`,
      `keyfile ${file('server.key')}`,
      'require_certificate true',
      'use_identity_as_username true',
    ],
  })
  t.teardown(() => broker.close())
  const url = `mqtts://127.0.0.1:${broker.port}`
  const good = connectionTo(t, { url, ca_file: file('ca.pem'), cert_file: file('gw1.pem'), key_file: file('gw1.key') })
  await until(() => good.up, 'a connection')
  const stranger = connectionTo(t, { url, ca_file: file('other.pem'), cert_file: file('gw1.pem'), key_file: file('gw1.key') })
  const nobody = connectionTo(t, { url, ca_file: file('ca.pem') })
  await until(() => stranger.failures > 1 && nobody.failures > 1, 'failed attempts')
  t.equal(stranger.up, undefined)
  t.equal(nobody.up, undefined)
})
