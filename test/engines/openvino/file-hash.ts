import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { hashFile, hashFileInto } from '../../../src/engines/openvino/file-hash.js'

const sought = Buffer.from('needle')

test('a file of several chunks has the hash of its bytes, and what is sought is found wherever it lies', async t => {
  const path = join(t.testdir(), 'file')
  const chunk = 2 ** 18
  for (const [bytes, at] of [
    [0, -1],
    [3, -1],
    [6, 0],
    [chunk, chunk - 6],
    [2 * chunk + 5, chunk - 3],
    [2 * chunk + 5, 2 * chunk - 1],
    [3 * chunk, -1],
  ] as const) {
    const content = Buffer.alloc(bytes, 'need')
    if (at >= 0) sought.copy(content, at)
    writeFileSync(path, content)
    const expected = createHash('sha256').update(content).digest('hex')
    t.equal(await hashFile(path), expected)
    const hash = createHash('sha256')
    t.same(await hashFileInto(hash, path, sought), { bytes, found: at >= 0 }, `${bytes} bytes, at ${at}`)
    t.equal(hash.digest('hex'), expected)
  }
})
