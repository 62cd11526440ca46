import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { copyDurably, writeDurably } from '../../../src/gateway/store/durable-file.js'

test('a written file is whole, private, and leaves nothing beside it', async t => {
  const folder = t.testdir({ source: 'from elsewhere' })
  const path = join(folder, 'state', 'file')
  await writeDurably(path, 'first')
  await writeDurably(path, new Uint8Array([50]))
  t.equal(readFileSync(path, 'utf8'), '2')
  t.equal(statSync(path).mode & 0o777, 0o600)
  await copyDurably(join(folder, 'source'), path)
  t.equal(readFileSync(path, 'utf8'), 'from elsewhere')
  t.same(readdirSync(join(folder, 'state')), ['file'])
})

test('a copy that fails leaves the old file and no rest', async t => {
  const folder = t.testdir({ file: 'old' })
  await t.rejects(copyDurably(join(folder, 'missing'), join(folder, 'file')), { code: 'ENOENT' })
  t.equal(readFileSync(join(folder, 'file'), 'utf8'), 'old')
  t.same(readdirSync(folder), ['file'])
})
