import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { create, toBinary } from '@bufbuild/protobuf'
import { test } from 'tap'
import { ModelProtoSchema, TensorProto_DataLocation } from '../../../src/graph/onnx/generated/onnx_pb.js'
import { loadModel } from '../../../src/graph/onnx/load.js'
import { readModel } from '../../../src/graph/onnx/read.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { constantData } from '../../../src/graph/tensor/tensor.js'
import { runModel } from '../../fixtures/graph-builder.js'

/** y = w, four floats that stand in another file. */
function externalModel(fields: Record<string, string>): Uint8Array {
  const externalData = Object.entries(fields).map(([key, value]) => ({ key, value }))
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [{ version: 17n }],
      graph: {
        name: 'g',
        initializer: [{ name: 'w', dims: [2n, 2n], dataType: 1, dataLocation: TensorProto_DataLocation.EXTERNAL, externalData }],
        node: [{ opType: 'Identity', input: ['w'], output: ['y'] }],
        output: [{ name: 'y', type: { value: { case: 'tensorType', value: { elemType: 1 } } } }],
      },
    }),
  )
}

const data = Buffer.from(Float32Array.of(9, 1, 2, 3, 4, 9).buffer)

test('external data is read from beside the model and written inside', async t => {
  const folder = t.testdir({ 'w.bin': data, sub: { 'w.bin': data.subarray(4, 20) } })
  for (const fields of [{ location: 'w.bin', offset: '4', length: '16' }, { location: 'w.bin', offset: '4' }, { location: 'sub/w.bin' }]) {
    writeFileSync(join(folder, 'm.onnx'), externalModel(fields))
    const model = loadModel(join(folder, 'm.onnx'))
    t.same([...constantData(model.graph.constant('w')!)], [1, 2, 3, 4], JSON.stringify(fields))
    const { y } = await runModel(writeModel(model), {})
    t.same([...y!.data], [1, 2, 3, 4])
  }
})

test('data outside the folder or the file is refused', async t => {
  const folder = t.testdir({ 'out.bin': data, inside: { 'w.bin': data, folder: {} } })
  const path = join(folder, 'inside', 'm.onnx')
  symlinkSync('../out.bin', join(folder, 'inside', 'link.bin'))
  const cases: Record<string, string>[] = [
    { location: '../out.bin' },
    { location: join(folder, 'out.bin') },
    { location: 'link.bin' },
    { location: '.' },
    { location: 'folder' },
    { location: 'none.bin' },
    { location: '' },
    { location: 'w.bin\0' },
    {},
    { location: 'w.bin', offset: '12' },
    { location: 'w.bin', offset: '-4' },
    { location: 'w.bin', offset: '999999999999999' },
    { location: 'w.bin', length: '8' },
    { location: 'w.bin', length: '1e3' },
  ]
  for (const fields of cases) {
    writeFileSync(path, externalModel(fields))
    t.throws(() => loadModel(path), { code: 'ERR_ONNX_EXTERNAL' }, JSON.stringify(fields))
  }
})

test('without its data such a model is refused, a missing file too', async t => {
  t.throws(() => readModel(externalModel({ location: 'w.bin' })), { code: 'ERR_ONNX_EXTERNAL' })
  t.throws(() => loadModel(join(t.testdir({}), 'none.onnx')), { code: 'ERR_ONNX_FILE' })
})
