import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { Artifacts } from '../../../src/gateway/store/artifacts.js'

test('a file is stored under the hash of its content, once, for its owner alone', async t => {
  const folder = t.testdir({ a: 'content', b: 'content' })
  const artifacts = new Artifacts(join(folder, 'state'))
  const hash = await artifacts.putFile(join(folder, 'a'))
  t.equal(hash, createHash('sha256').update('content').digest('hex'))
  t.equal(await artifacts.putFile(join(folder, 'b')), hash)
  t.equal(await artifacts.putBytes('content'), hash)
  t.same(readdirSync(artifacts.folder), [hash])
  t.equal(readFileSync(await artifacts.verify(hash), 'utf8'), 'content')
  t.equal(statSync(artifacts.path(hash)).mode & 0o777, 0o600)
})

test('a damaged or missing file is told from a whole one', async t => {
  const artifacts = new Artifacts(t.testdir())
  const hash = await artifacts.putBytes('content')
  writeFileSync(artifacts.path(hash), 'contemt')
  await t.rejects(artifacts.verify(hash), { code: 'ERR_STORE_ARTIFACT' })
  t.equal(await artifacts.putBytes('content'), hash, 'storing it again heals it')
  await artifacts.verify(hash)
  await t.rejects(artifacts.verify('0'.repeat(64)), { code: 'ERR_STORE_ARTIFACT' })
})

test('collecting keeps what is referenced and removes the rest, half-written files too', async t => {
  const artifacts = new Artifacts(t.testdir())
  t.equal(await artifacts.collect(new Set()), 0, 'before anything was stored')
  const [kept] = [await artifacts.putBytes('kept'), await artifacts.putBytes('gone')]
  writeFileSync(`${artifacts.path('0'.repeat(64))}.tmp`, 'half')
  t.equal(await artifacts.collect(new Set([kept])), 2)
  t.same(readdirSync(artifacts.folder), [kept])
})
