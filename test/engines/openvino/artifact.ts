import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { openArtifact } from '../../../src/engines/openvino/artifact.js'
import { packIr } from '../../../src/graph/ir/packed-ir.js'

const ir = { xml: '<net/>', bin: Buffer.from('constants') }

test('a packed model is unpacked for as long as it is open, from its bytes or its file', async t => {
  const path = join(t.testdir(), 'version')
  writeFileSync(path, packIr(ir))
  for (const given of [path, packIr(ir)]) {
    const artifact = await openArtifact(given)
    t.equal(readFileSync(artifact.path, 'utf8'), ir.xml)
    t.equal(readFileSync(artifact.path.replace('.xml', '.bin'), 'utf8'), 'constants')
    await artifact.close()
    t.notOk(existsSync(artifact.path))
  }
})

test('the content of a model is that of all its bytes, wherever they lie', async t => {
  const folder = t.testdir({ a: { 'model.xml': ir.xml, 'model.bin': 'constants' }, b: { 'm.xml': ir.xml, 'm.bin': 'constants' }, c: {} })
  const contentOf = async (...path: string[]) => (await openArtifact(join(folder, ...path))).content()
  const content = await contentOf('a', 'model.xml')
  t.equal(content?.bytes, ir.xml.length + 9)
  t.same(await contentOf('b', 'm.xml'), content)
  writeFileSync(join(folder, 'b', 'm.bin'), 'konstants')
  t.not((await contentOf('b', 'm.xml'))?.sha256, content?.sha256)
})

test('a model with data in other files has no content of its own', async t => {
  const path = join(t.testdir(), 'model.onnx')
  for (const [bytes, has] of [
    ['a node named location', true],
    ['\x0a\x08location\x12\x07weights', false],
  ] as const) {
    writeFileSync(path, bytes, 'latin1')
    t.equal((await (await openArtifact(path)).content()) !== undefined, has)
    t.equal((await (await openArtifact(Buffer.from(bytes, 'latin1'))).content()) !== undefined, has)
  }
})

test('a file that is not there, or a packed one cut short, is refused and leaves nothing', async t => {
  await t.rejects(openArtifact('/nowhere/model.onnx'), { code: 'ENOENT' })
  await t.rejects(openArtifact(packIr(ir).subarray(0, 12)), { code: 'ERR_IR_READ' })
})
