import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { readModelFile } from '../../../src/graph/ir/model-file.js'
import { writeIr } from '../../../src/graph/ir/write.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { readBundle } from '../../../src/samples/bundle.js'
import { buildModel, op, seeded } from '../../fixtures/graph-builder.js'

const model = buildModel({
  inputs: { x: ['float32', [1, 3]] },
  outputs: { y: ['float32', [1, 2]] },
  constants: { w: seeded([3, 2]) },
  nodes: [op('MatMul', ['x', 'w'], 'y')],
})
const { xml, bin } = writeIr(model)
const hash = (...parts: readonly (string | Uint8Array)[]) =>
  parts.reduce((all, part) => all.update(part), createHash('sha256')).digest('hex')

test('both formats are read, each with the size and hash of all its bytes', async t => {
  const folder = t.testdir({ 'net.xml': xml })
  writeFileSync(join(folder, 'net.bin'), bin)
  const bytes = writeModel(model)
  writeFileSync(join(folder, 'net.onnx'), bytes)
  const ir = readModelFile(join(folder, 'net.xml'))
  t.match(ir, { sha256: hash(xml, bin), bytes: Buffer.byteLength(xml) + bin.byteLength })
  t.same([...ir.model.graph.initializers.values()][0]!.bytes, model.graph.constant('w')!.bytes)
  t.match(readModelFile(join(folder, 'net.onnx')), { sha256: hash(bytes), bytes: bytes.byteLength })
})

test('an .xml without its .bin is refused by the name of what is missing', async t => {
  const folder = t.testdir({ 'net.xml': xml })
  t.throws(() => readModelFile(join(folder, 'net.xml')), { code: 'ERR_IR_READ', message: /net\.bin/ })
})

test('a bare .xml and a folder with one are bundles whose files hold the .bin', async t => {
  const folder = t.testdir({ 'net.xml': xml })
  writeFileSync(join(folder, 'net.bin'), bin)
  for (const path of [folder, join(folder, 'net.xml')]) {
    const bundle = await readBundle(path)
    t.equal(bundle.model.name, 'net.xml')
    t.same(
      bundle.files.map(({ name }) => name),
      ['net.bin', 'net.xml'],
    )
  }
})
