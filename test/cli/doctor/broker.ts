import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { checkBroker } from '../../../src/cli/doctor/broker.js'
import type { Finding } from '../../../src/cli/doctor/finding.js'
import { Config } from '../../../src/config/schema.js'
import { EmbeddedBroker } from '../../../src/demo/broker.js'
import { Mosquitto } from '../../fixtures/mqtt/mosquitto.js'

async function examine(t: Test, lines: readonly string[], config: object = {}, username?: string): Promise<Record<string, Finding>> {
  const broker = await Mosquitto.start({ persistence: 'nothing', config: lines })
  t.teardown(() => broker.close())
  const findings = await checkBroker(Config.parse({ broker: { url: broker.url }, ...config }), { username })
  return Object.fromEntries(findings.map(finding => [finding.check, finding]))
}

test('a tuned mosquitto passes; that nobody is kept from commanding is a warning', async t => {
  const found = await examine(t, [])
  for (const name of ['broker', 'latency', 'properties', 'limits', 'retained', 'will', 'shared subscriptions']) {
    t.equal(found[name]?.status, 'pass', `${name}: ${found[name]?.found}`)
  }
  t.equal(found['access control']?.status, 'warn')
  t.equal(found['client ids']?.status, 'skip')
})

test('with the ACL of the contract every check passes as the gateway', async t => {
  const acl = join(t.testdir({}), 'acl')
  const rules = [
    'user gw1',
    'topic read quantd/gw1/cmd/#',
    'topic readwrite quantd/gw1/status',
    'topic write quantd-reply/#',
    '',
    'pattern read quantd-reply/%u/#',
    '',
  ]
  writeFileSync(acl, rules.join('\n'))
  const found = await examine(t, [`acl_file ${acl}`], {}, 'gw1')
  t.same(
    Object.values(found).filter(({ status }) => status !== 'pass'),
    [],
  )
  t.ok('client ids' in found && 'access control' in found)
})

test('client ids that are replaced by the user name are found, with the fix', async t => {
  const found = await examine(t, ['use_username_as_clientid true'], {}, 'gw1')
  t.match(found['client ids'], { status: 'fail', fix: /use_username_as_clientid/ })
  t.match(found['other broker checks'], { status: 'skip' })
})

test('a packet limit below what serving allows is a warning that names both', async t => {
  const found = await examine(t, ['max_packet_size 20000'])
  t.match(found.limits, { status: 'warn', found: /20000 bytes.*16777216/, fix: /serving\.max_payload_mb/ })
  t.equal((await examine(t, ['max_packet_size 20000'], { serving: { max_payload_mb: 0.01 } })).limits?.status, 'pass')
})

test('a broker without retained messages fails', async t => {
  const found = await examine(t, ['retain_available false'])
  t.match(found.limits, { status: 'fail', fix: /retained/ })
  t.equal(found.retained?.status, 'skip', 'not tried: the broker would close the connection')
  t.equal(found.will?.status, 'pass')
})

test('a broker of MQTT 3.1.1 is told as such, and what works there passes', async t => {
  const broker = await EmbeddedBroker.start()
  t.teardown(() => broker[Symbol.asyncDispose]())
  const findings = await checkBroker(Config.parse({ broker: { url: broker.url } }), {})
  const found = Object.fromEntries(findings.map(finding => [finding.check, finding]))
  t.match(found.broker?.found, 'MQTT 3.1.1')
  t.equal(found.properties?.status, 'warn')
  for (const name of ['latency', 'retained', 'will']) t.equal(found[name]?.status, 'pass', `${name}: ${found[name]?.found}`)
})

test('a broker that is not there, or that refuses us, is one failure with its words', async t => {
  const absent = await checkBroker(Config.parse({ broker: { url: 'mqtt://127.0.0.1:1' } }), {})
  t.match(absent, [{ check: 'broker', status: 'fail', found: /ECONNREFUSED/ }])
  t.equal(absent.length, 1)
  const passwords = join(t.testdir({}), 'passwords')
  writeFileSync(passwords, '')
  const refused = await examine(t, ['allow_anonymous false', `password_file ${passwords}`])
  t.match(refused.broker, { status: 'fail', found: /[Nn]ot authorized/ })
})
