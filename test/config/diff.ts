import { test } from 'tap'
import { changedKeys } from '../../src/config/diff.js'
import { Config } from '../../src/config/schema.js'

test('a change is found with what it restarts', async t => {
  const before = Config.parse({})
  const after = Config.parse({
    broker: { keepalive_s: 10 },
    log: { level: 'debug' },
    workers: { threads: 3 },
    schedule: [{ model: 'm', cron: '0 3 * * *' }],
    state_dir: '/elsewhere',
  })
  t.same(changedKeys(before, after), [
    { key: 'state_dir', restarts: 'daemon' },
    { key: 'broker.keepalive_s', restarts: 'mqtt' },
    { key: 'workers.threads', restarts: 'worker' },
    { key: 'schedule', restarts: 'nothing' },
    { key: 'log.level', restarts: 'nothing' },
  ])
})

test('equal configurations differ nowhere, an optional key that appears does', async t => {
  t.same(changedKeys(Config.parse({}), Config.parse({})), [])
  t.same(changedKeys(Config.parse({}), Config.parse({ broker: { username: 'x' } })), [{ key: 'broker.username', restarts: 'mqtt' }])
})
