import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { openDatabase } from '../../../src/gateway/store/database.js'
import { defineMigration } from '../../../src/gateway/store/migrations/migration.js'
import { Sqlite } from '../../../src/gateway/store/sqlite.js'

const first = defineMigration({ number: 1, what: 'initial', up: database => void database.exec('CREATE TABLE item (name TEXT)') })
const second = defineMigration({ number: 2, what: 'size', up: database => void database.exec('ALTER TABLE item ADD size INTEGER') })
const broken = defineMigration({
  number: 2,
  what: 'broken',
  up(database) {
    database.exec('DROP TABLE item')
    throw new Error('half way')
  },
})

const open = (path: string, ...migrations: (typeof first)[]) => openDatabase({ path, migrations, synchronous: 'FULL' })

test('an older file is brought forward and a copy of it kept', async t => {
  const path = join(t.testdir(), 'a.db')
  const old = open(path, first)
  old.exec("INSERT INTO item VALUES ('kept')")
  old.close()
  const database = open(path, first, second)
  t.teardown(() => database.close())
  t.same(database.prepare('SELECT name, size FROM item').all(), [{ name: 'kept', size: null }])
  const copy = new Sqlite(`${path}.v1`)
  t.teardown(() => copy.close())
  t.same(copy.prepare('SELECT * FROM item').all(), [{ name: 'kept' }])
  t.equal(copy.pragma('user_version', { simple: true }), 1)
})

test('a new file leaves no copy', async t => {
  const path = join(t.testdir(), 'a.db')
  open(path, first, second).close()
  t.notOk(existsSync(`${path}.v0`))
})

test('a file of a newer release is refused untouched, with the fix', async t => {
  const path = join(t.testdir(), 'a.db')
  open(path, first, second).close()
  t.throws(() => open(path, first), { code: 'ERR_STORE_NEWER', message: /a\.db\.v1/, details: { found: 2, known: 1 } })
  open(path, first, second).close()
})

test('a migration that fails half way leaves the file as it was', async t => {
  const path = join(t.testdir(), 'a.db')
  open(path, first).close()
  t.throws(() => open(path, first, broken), { code: 'ERR_STORE_OPEN' })
  const database = open(path, first)
  t.teardown(() => database.close())
  t.same(database.prepare('SELECT * FROM item').all(), [])
})

test('a file that is no database is refused by name', async t => {
  const path = join(t.testdir(), 'a.db')
  writeFileSync(path, 'this is no database, whatever its name says'.repeat(100))
  t.throws(() => open(path, first), { code: 'ERR_STORE_OPEN', message: /a\.db/ })
})
