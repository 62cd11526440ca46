import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { inspectModel } from '../../../src/gateway/models/inspect-model.js'
import { Graph } from '../../../src/graph/graph.js'
import { readModelFile } from '../../../src/graph/ir/model-file.js'
import { writeIr } from '../../../src/graph/ir/write.js'
import { makeNode } from '../../../src/graph/node.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { Manifest } from '../../../src/samples/manifest.js'
import { demoBundle } from '../../fixtures/gateway/site.js'

const file = (path: string) => ({ path, engine: 'onnxruntime', manifest: Manifest.parse({}) })

test('a model is described by its inputs and outputs', async t => {
  t.match(await inspectModel(file(join(demoBundle, 'fashion-resnet.onnx')), { memoryMiB: 500 }), {
    opset: 17,
    inputs: ['input'],
    outputs: ['logits'],
  })
})

test('an OpenVINO file is described as well', async t => {
  const { model } = readModelFile(join(demoBundle, 'fashion-resnet.onnx'))
  const { xml, bin } = writeIr(model, {
    shapes: new Map([
      ['/pool/GlobalAveragePool_output_0', [1, 64, 1, 1]],
      ['/stage3/relu/Relu_output_0', [1, 64, 7, 7]],
    ]),
  })
  const path = join(t.testdir({ 'model.xml': xml }), 'model.xml')
  writeFileSync(path.replace(/xml$/, 'bin'), bin)
  t.match(await inspectModel(file(path), { memoryMiB: 500 }), { inputs: ['input'], outputs: ['logits'] })
})

test('a file that is no model gives the code that says what is wrong, and so does one that is gone', async t => {
  const folder = t.testdir()
  const path = join(folder, 'm.onnx')
  writeFileSync(path, Buffer.from([0x08, 0x08, 0x3a, 0xff, 0xff, 0xff, 0x7f]))
  await t.rejects(inspectModel(file(path), { memoryMiB: 500 }), { code: 'ERR_ONNX_WIRE' })
  await t.rejects(inspectModel(file(join(folder, 'gone.onnx')), { memoryMiB: 500 }), { code: 'ERR_ONNX_FILE' })
})

test('a model that needs more memory than it may ends its own process, not this one', async t => {
  const path = join(t.testdir(), 'm.onnx')
  writeFileSync(path, '')
  truncateSync(path, 300 * 2 ** 20)
  await t.rejects(inspectModel(file(path), { memoryMiB: 120 }), { code: 'ERR_MODEL_OPEN', details: { reason: 'ERR_WORKER_MEMORY' } })
})

test('a model that its engine does not open is refused with the text of the engine', async t => {
  const path = join(t.testdir(), 'm.onnx')
  const graph = new Graph({
    name: 'g',
    nodes: [makeNode({ name: 'odd', opType: 'NoSuchOperator', inputs: ['x'], outputs: ['y'] })],
    inputs: [{ name: 'x', dtype: 'float32', shape: [1] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: [1] }],
  })
  writeFileSync(path, writeModel({ irVersion: 8, opsets: new Map([['', 17]]), graph }))
  await t.rejects(inspectModel(file(path), { memoryMiB: 500 }), { code: 'ERR_MODEL_OPEN', message: /NoSuchOperator/ })
})
