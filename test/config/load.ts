import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { loadConfig } from '../../src/config/load.js'
import type { ConfigProblem } from '../../src/config/problems.js'
import { QuantdError } from '../../src/errors.js'

type Options = NonNullable<Parameters<typeof loadConfig>[1]>

test('loadConfig', async t => {
  const folder = t.testdir({})
  let files = 0
  const load = async (text: string, options: Options = {}) => {
    const path = join(folder, `c${files++}.yaml`)
    writeFileSync(path, text)
    return loadConfig(path, { env: {}, ...options })
  }
  const refused = async (text: string, options: Options = {}): Promise<QuantdError> => {
    try {
      await load(text, options)
    } catch (error) {
      if (error instanceof QuantdError) return error
      throw error
    }
    throw new Error(`accepted: ${text}`)
  }

  t.test('an empty file, a file of comments and no file all run on the defaults', async t => {
    const none = await loadConfig(undefined, { env: {}, defaultPath: join(folder, 'absent') })
    t.equal(none.gateway, 'gw1')
    t.same(await load(''), none)
    t.same(await load('# nothing\n'), none)
    t.same(await load('broker:\n  # url: mqtt://x\ncapture:\n'), none, 'a section whose keys are all commented out')
  })

  t.test('the default path is read when it exists', async t => {
    const path = join(folder, 'default.yaml')
    writeFileSync(path, 'gateway: from-default\n')
    t.equal((await loadConfig(undefined, { env: {}, defaultPath: path })).gateway, 'from-default')
  })

  t.test('what is loaded is frozen to its leaves', async t => {
    const config = await load('schedule:\n  - { model: m, cron: "0 3 * * *" }\n')
    t.ok(Object.isFrozen(config) && Object.isFrozen(config.broker) && Object.isFrozen(config.schedule[0]?.guards))
  })

  t.test('an unknown key is refused with its line and the nearest known one', async t => {
    for (const [text, line, hint] of [
      ['gateway: a\nbroker:\n  ulr: mqtt://x\n', 3, "did you mean 'broker.url'?"],
      ['gatway: a\n', 1, "did you mean 'gateway'?"],
      ['\nkeepalive_s: 10\n', 2, "did you mean 'broker.keepalive_s'?"],
      [
        'schedule:\n  - model: m\n    cron: "0 3 * * *"\n    guards: { min_smples: 3 }\n',
        4,
        "did you mean 'schedule[].guards.min_samples'?",
      ],
    ] as const) {
      const error = await refused(text)
      t.equal(error.code, 'ERR_CONFIG_KEY', text)
      t.equal(error.details.line, line, error.message)
      t.match(error.message, hint)
      t.match(error.message, `:${line}: `)
    }
    t.notMatch((await refused('zzzzqqqqq: 1\n')).message, 'did you mean', 'nothing is near: nothing is suggested')
  })

  t.test('the value of an unknown key and a password in an address are never shown', async t => {
    t.notMatch(JSON.stringify((await refused('broker:\n  password: hunter2\n')).details), 'hunter2')
    const error = await refused('broker:\n  url: mqtt://gw1:hunter2@host\n')
    t.equal(error.code, 'ERR_CONFIG_VALUE')
    t.notMatch(error.message + JSON.stringify(error.details), 'hunter2')
    t.match(error.message, 'password_file')
  })

  t.test('a bad value is refused with its line, the range and what was found', async t => {
    for (const [text, line, expected] of [
      ['broker:\n  keepalive_s: 2\n', 2, 'broker.keepalive_s: expected integer 5 to 3600, found 2'],
      ['broker:\n  keepalive_s: fast\n', 2, 'integer 5 to 3600, found "fast"'],
      ['broker:\n  protocol: "4"\n', 2, 'one of 5, auto, 3.1.1, found "4"'],
      ['broker: 5\n', 1, 'found 5'],
      ['serving:\n  queue: 1.5\n', 2, 'integer 1 to 100000'],
      ['schedule:\n  - model: m\n    cron: "99 3 * * *"\n', 3, 'cron expression'],
      ['schedule:\n  - model: m\n    cron: "0 3 * * *"\n    timezone: Mars/Base\n', 4, 'time zone'],
      ['load:\n  allow:\n    - https://ok\n    - http://x\n', 4, 'list of address, found "http://x"'],
      ['http:\n  listen: localhost\n', 2, 'found "localhost"'],
      ['gateway: any\n', 1, "another id than 'any'"],
      ['broker:\n  cert_file: a.pem\n', 1, 'cert_file and key_file together'],
      ['- a\n- b\n', 1, 'found a list'],
      ['version: "1"\n', 1, 'expected 1, found "1"'],
    ] as const) {
      const error = await refused(text)
      t.equal(error.code, 'ERR_CONFIG_VALUE', text)
      t.equal(error.details.line, line, error.message)
      t.match(error.message, expected)
    }
  })

  t.test('all problems are listed, the first line first', async t => {
    const error = await refused('workers:\n  threads: -1\nserving:\n  queue: 0\nfoo_bar_baz: 1\n')
    const problems = error.details.problems as ConfigProblem[]
    t.same(
      problems.map(({ line }) => line),
      [2, 4, 5],
    )
    t.match(error.message, ':2: workers.threads')
    t.match(error.message, '(and 2 more)')
  })

  t.test('broken YAML is refused with line and column', async t => {
    for (const text of [
      'a: [1,\nb: 2\n',
      'gateway: x\ngateway: y\n',
      'a: b\n---\nc: d\n',
      '? [a]\n: b\n',
      'load: &l { allow: [*l] }\n',
      'log: *nothing\n',
      '\tx: 1\n',
      '"',
    ]) {
      const error = await refused(text)
      t.equal(error.code, 'ERR_CONFIG_YAML', text)
      t.match(error.message, /:\d+:\d+: /)
    }
  })

  t.test('an alias bomb is refused before it unfolds', async t => {
    const rows = Array.from({ length: 9 }, (_, i) => `k${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join(', ')}]`)
    t.equal((await refused(`k0: &a0 x\n${rows.join('\n')}\n`)).code, 'ERR_CONFIG_YAML')
  })

  t.test('a file of a newer release is refused as such', async t => {
    t.equal((await refused('version: 2\nnew_key: 1\n')).code, 'ERR_CONFIG_VERSION')
  })

  t.test('a file that cannot be read says which', async t => {
    await t.rejects(loadConfig(join(folder, 'missing.yaml'), { env: {} }), { code: 'ERR_CONFIG_READ', message: /missing\.yaml/ })
  })

  t.test('the command line wins over the environment, and that over the file', async t => {
    const text = 'gateway: file\nbroker:\n  url: mqtt://file\n  keepalive_s: 60\n'
    const env = { QUANTD_GATEWAY: 'env', QUANTD_BROKER: 'mqtt://env' }
    const config = await load(text, { env, overrides: { gateway: 'cli' } })
    t.match(config, { gateway: 'cli', broker: { url: 'mqtt://env', keepalive_s: 60 } })
    t.equal((await refused('', { overrides: { gateway: 'Not OK' } })).code, 'ERR_CONFIG_VALUE', 'overrides are checked like the file')
  })

  t.test('the control socket follows another state directory unless the file names its place', async t => {
    t.equal((await load('', { overrides: { state: '/tmp/s' } })).runtime_dir, '/tmp/s')
    t.equal((await load('runtime_dir: /run/x\n', { overrides: { state: '/tmp/s' } })).runtime_dir, '/run/x')
  })

  t.test('relative files lie with the credentials of the unit, else beside the configuration', async t => {
    const text = 'broker:\n  password_file: mqtt-password\n  ca_file: /etc/ca.pem\n'
    t.equal((await load(text)).broker.password_file, join(folder, 'mqtt-password'))
    const config = await load(text, { env: { CREDENTIALS_DIRECTORY: '/run/credentials/quantd.service' } })
    t.equal(config.broker.password_file, '/run/credentials/quantd.service/mqtt-password')
    t.equal(config.broker.ca_file, '/etc/ca.pem')
  })
})
