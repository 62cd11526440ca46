import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { fileCheckpoint } from '../../../src/gateway/jobs/file-checkpoint.js'
import type { AwareCheckpoint } from '../../../src/quantization/accuracy-aware/checkpoint.js'

const checkpoint: AwareCheckpoint = {
  version: 1,
  identity: 'a',
  measured: { plain: { values: [0.5], noise: 0.1, openMs: 1, itemsMs: 2 } },
  subsets: { 'plain 0': [1, 2] },
}

test('what was saved is found by the next process, readable by its owner alone', async t => {
  const path = join(t.testdir(), 'checkpoint.json')
  const first = fileCheckpoint(path)
  t.equal(first.found, undefined)
  first.save(checkpoint)
  t.same(fileCheckpoint(path).found, checkpoint)
  t.equal(statSync(path).mode & 0o777, 0o600)
})

test('it is replaced as a whole: what is half written beside it is never read', async t => {
  const folder = t.testdir({ 'checkpoint.json.new': '{"version":1,"ide' })
  const path = join(folder, 'checkpoint.json')
  t.equal(fileCheckpoint(path).found, undefined)
  t.notOk(existsSync(path))
  fileCheckpoint(path).save(checkpoint)
  t.same(readdirSync(folder), ['checkpoint.json'])
  t.same(JSON.parse(readFileSync(path, 'utf8')), checkpoint)
})

test('a file that is no JSON counts as none', async t => {
  const path = join(t.testdir(), 'checkpoint.json')
  writeFileSync(path, '{"version":')
  t.equal(fileCheckpoint(path).found, undefined)
})
