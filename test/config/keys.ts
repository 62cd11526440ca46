import { test } from 'tap'
import { configKeyAt, configKeys } from '../../src/config/keys.js'
import { Config } from '../../src/config/schema.js'

test('every key but the version has a line of help and says what its change restarts', async t => {
  for (const { key, help, restarts } of configKeys) {
    if (key === 'version') continue
    t.ok(help.length > 3, `${key}: help`)
    t.ok(['nothing', 'mqtt', 'worker', 'daemon'].includes(restarts), `${key}: restarts`)
  }
})

test('the listed defaults are those of the schema', async t => {
  const defaults = Config.parse({})
  for (const { key, default: listed } of configKeys) {
    if (key.includes('[]')) continue
    const real = key.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], defaults)
    t.same(listed, real, key)
  }
})

test('a path finds its key, inside lists too', async t => {
  t.equal(configKeyAt(['schedule', 3, 'guards', 'max_load'])?.range, 'number 0 to 100')
  t.equal(configKeyAt(['broker', 'keepalive_s'])?.default, 30)
  t.equal(configKeyAt(['nothing']), undefined)
})
