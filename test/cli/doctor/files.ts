import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { checkDisk, checkFiles, checkFsync, checkStateDir } from '../../../src/cli/doctor/files.js'
import { Config } from '../../../src/config/schema.js'

test('a password that everybody may read fails, a missing one too', async t => {
  const path = join(t.testdir({ secret: 'x\n' }), 'secret')
  const config = Config.parse({ broker: { password_file: path } })
  chmodSync(path, 0o644)
  t.match(await checkFiles(config), [{ check: 'password file', status: 'fail', fix: `chmod o-rwx ${path}` }])
  chmodSync(path, 0o640)
  t.match(await checkFiles(config), [{ status: 'pass' }])
  t.match(await checkFiles(Config.parse({ broker: { password_file: `${path}.none` } })), [{ status: 'fail', found: /ENOENT/ }])
  t.same(await checkFiles(Config.parse({})), [])
})

test('a state directory that others may enter is a warning, one to be made passes', async t => {
  const folder = join(t.testdir({}), 'state')
  t.match(await checkStateDir(Config.parse({ state_dir: folder })), { status: 'pass', found: /will be created/ })
  mkdirSync(folder, { mode: 0o755 })
  t.match(await checkStateDir(Config.parse({ state_dir: folder })), { status: 'warn', fix: `chmod 700 ${folder}` })
  chmodSync(folder, 0o700)
  t.equal((await checkStateDir(Config.parse({ state_dir: folder }))).status, 'pass')
})

test('a reserve larger than the disk fails', async t => {
  const state_dir = t.testdir({})
  t.equal((await checkDisk(Config.parse({ state_dir, capture: { reserve_mb: 1e9 } }))).status, 'fail')
  t.match((await checkDisk(Config.parse({ state_dir, capture: { reserve_mb: 1 } }))).found, /\d+ MiB free, 1 kept/)
})

test('the durable write is measured and leaves nothing behind', async t => {
  const state_dir = t.testdir({})
  writeFileSync(join(state_dir, 'kept'), '')
  t.match((await checkFsync(Config.parse({ state_dir }), 3)).found, /^\d+\.\d\d ms for 4 KiB \(median of 3\)$/)
  t.same(readdirSync(state_dir), ['kept'])
})
