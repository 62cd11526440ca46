import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { configKeys } from '../../src/config/keys.js'
import { loadConfig } from '../../src/config/load.js'
import { QuantdError } from '../../src/errors.js'
import { mutate, randomFrom } from '../fixtures/mutate.js'

const whole = `version: 1
gateway: gw1
state_dir: /var/lib/quantd
broker:
  url: mqtts://broker.example:8883
  username: gw1
  password_file: mqtt-password
  keepalive_s: 30
mqtt: { base: quantd, reply_prefixes: ["quantd-reply/{caller}/"], pool: true }
serving:
  queue: 256
  max_payload_mb: 16
load:
  allow:
    - https://models.example/
schedule:
  - model: fashion
    cron: "0 3 * * *"
    timezone: Europe/Berlin
    guards: &guards { min_samples: 100, max_load: 80 }
  - { model: ocr, cron: "*/5 * * * * *", overlap: queue, guards: *guards }
log: { level: info }
`

/** Values that a key may be given by mistake. */
const strange = [
  '',
  '~',
  'true',
  '-1',
  '1e999',
  '.nan',
  '0x10',
  '[]',
  '{}',
  '[[[]]]',
  '"\\u0000"',
  '*missing',
  '!!binary aGk=',
  '2026-01-01',
  `"${'x'.repeat(3000)}"`,
]

/** The file with one key of the schema set to something strange, at its place or at another. */
function withStrangeKey(random: () => number): string {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const { key } = pick(configKeys)
  const path = key.replaceAll('[]', '').split('.')
  const nested = path.map((name, depth) => `${'  '.repeat(depth)}${name}:`)
  const lines = random() < 0.5 ? nested : [`${pick(path)}:`]
  return `${lines.join('\n')} ${pick(strange)}\n`
}

test('a mutated configuration runs or is refused with a code and its line, never anything else', async t => {
  const seed = Number(process.env.QUANTD_SEED ?? 1)
  t.comment(`seed ${seed}`)
  const random = randomFrom(seed)
  const path = join(t.testdir({}), 'quantd.yaml')
  const bytes = Buffer.from(whole)
  const outcomes = new Map<string, number>()
  for (let round = 0; round < 1000; round += 1) {
    const text = round % 2 === 0 ? mutate(bytes, random) : Buffer.from(withStrangeKey(random))
    writeFileSync(path, text)
    const outcome = await loadConfig(path, { env: {} }).then(
      config => (Object.isFrozen(config.broker) ? 'runs' : 'not frozen'),
      error => {
        if (!(error instanceof QuantdError) || !error.code.startsWith('ERR_CONFIG_')) return `round ${round}: ${String(error)}`
        return /yaml(:\d+)+: /.test(error.message) || error.code === 'ERR_CONFIG_VERSION' ? error.code : `no line: ${error.message}`
      },
    )
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  t.comment(JSON.stringify(Object.fromEntries(outcomes)))
  const expected = ['runs', 'ERR_CONFIG_YAML', 'ERR_CONFIG_KEY', 'ERR_CONFIG_VALUE', 'ERR_CONFIG_VERSION']
  for (const outcome of outcomes.keys()) t.ok(expected.includes(outcome), outcome)
  for (const outcome of expected.slice(0, 4)) t.ok((outcomes.get(outcome) ?? 0) > 20, `${outcome} is met often enough to mean something`)
})
