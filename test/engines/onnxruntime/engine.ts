import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import { writeIr } from '../../../src/graph/ir/write.js'
import { makeNode } from '../../../src/graph/node.js'
import { readModel } from '../../../src/graph/onnx/read.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'
import { packageRoot } from '../../../src/paths.js'
import { engineConformance } from '../../conformance/engine.js'
import { type BuildFields, buildModel, f32, op, seeded } from '../../fixtures/graph-builder.js'

const bytesOf = (fields: BuildFields) => writeModel(buildModel(fields))

/** y = x * float(k), z = relu(x W). */
const small: BuildFields = {
  inputs: { x: ['float32', ['n', 3]], k: ['int64', []] },
  outputs: { y: ['float32', ['n', 3]], z: ['float32', ['n', 2]] },
  constants: { w: seeded([3, 2]) },
  nodes: [
    op('Cast', ['k'], 'kf', { to: { kind: 'int', value: 1 } }),
    op('Mul', ['x', 'kf'], 'y'),
    op('MatMul', ['x', 'w'], 'xw'),
    op('Relu', ['xw'], 'z'),
  ],
}

test('it keeps what engines promise', async t => {
  const bytes = bytesOf(small)
  const path = join(t.testdir(), 'model.onnx')
  writeFileSync(path, bytes)
  await engineConformance(t, { engine: onnxruntimeEngine, path, bytes })
})

async function infer(t: Test, fields: BuildFields, feeds: Record<string, Tensor>): Promise<Readonly<Record<string, Tensor>>> {
  const session = await onnxruntimeEngine.open(bytesOf(fields), { threads: 1 })
  t.teardown(() => session.close())
  return session.infer(feeds)
}

test('int64, bool and float16 travel as big integers, bytes and bit patterns', async t => {
  const fields: BuildFields = {
    inputs: { 'i:0': ['int64', [2]], b: ['bool', [2]], 53: ['float16', [2]] },
    outputs: { io: ['int64', [2]], bo: ['bool', [2]], ho: ['float16', [2]] },
    nodes: [op('Neg', ['i:0'], 'io'), op('Not', ['b'], 'bo'), op('Add', ['53', '53'], 'ho')],
  }
  const found = await infer(t, fields, {
    'i:0': { dtype: 'int64', shape: [2], data: BigInt64Array.of(2n ** 62n, -1n) },
    b: { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
    53: { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0xc000) },
  })
  t.strictSame(found.io?.data, BigInt64Array.of(-(2n ** 62n), 1n))
  t.strictSame(found.bo?.data, Uint8Array.of(0, 1))
  t.strictSame(found.ho?.data, Uint16Array.of(0x4000, 0xc400))
})

test('a failing inference gives the text of ONNX Runtime, and the session lives on', async t => {
  const session = await onnxruntimeEngine.open(
    bytesOf({
      inputs: { a: ['float32', ['n']], b: ['float32', ['m']] },
      outputs: { c: ['float32', ['k']] },
      nodes: [op('Add', ['a', 'b'], 'c')],
    }),
    { threads: 1 },
  )
  t.teardown(() => session.close())
  const vector = (size: number): Tensor => ({ dtype: 'float32', shape: [size], data: new Float32Array(size) })
  await t.rejects(session.infer({ a: vector(2), b: vector(3) }), { code: 'ERR_ENGINE_INFER', message: /Add/ })
  t.strictSame((await session.infer({ a: vector(2), b: vector(2) })).c?.shape, [2])
})

test('the graph as it will run is written where it is asked for', async t => {
  const optimizedPath = join(t.testdir(), 'optimized.onnx')
  const fields: BuildFields = {
    inputs: { x: ['float32', [1, 2]] },
    outputs: { y: ['float32', [1, 2]] },
    constants: { a: f32([2], [1, 2]), b: f32([2], [3, 4]) },
    nodes: [op('Add', ['a', 'b'], 'ab'), op('Add', ['x', 'ab'], 'y')],
  }
  for (const [optimization, nodes] of [
    ['all', 1],
    ['disabled', 2],
  ] as const) {
    const session = await onnxruntimeEngine.open(bytesOf(fields), { threads: 1, optimization, optimizedPath })
    await session.close()
    t.equal(readModel(readFileSync(optimizedPath)).graph.nodes.length, nodes, optimization)
  }
})

test('lean memory and spinning change nothing in the answers', async t => {
  const feeds = {
    x: { dtype: 'float32', shape: [1, 3], data: Float32Array.of(1, 2, 3) },
    k: { dtype: 'int64', shape: [], data: BigInt64Array.of(3n) },
  } as const
  const expected = await infer(t, small, feeds)
  const session = await onnxruntimeEngine.open(bytesOf(small), { threads: 2, memory: 'lean', spinning: true })
  t.strictSame(await session.infer(feeds), expected)
  await session.close()
})

test('only operator sets that are compiled in are supported', async t => {
  const node = (domain: string) => makeNode({ name: 'n', opType: 'Op', domain, inputs: [], outputs: [] })
  for (const domain of ['', 'ai.onnx.ml', 'com.microsoft']) t.ok(onnxruntimeEngine.supports(node(domain)).ok, domain)
  t.match(onnxruntimeEngine.supports(node('org.openvinotoolkit')), { ok: false, reason: /org.openvinotoolkit::Op/ })
})

test('its version is that of the installed package, read without loading the native library', async t => {
  const { dependencies } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }
  t.equal(onnxruntimeEngine.version(), dependencies['onnxruntime-node'])
  t.ok(existsSync(join(packageRoot, 'node_modules/onnxruntime-node')))
})

test('an IR file is opened as what its layers are in ONNX', async t => {
  const { xml, bin } = writeIr(buildModel({ ...small, opset: 17 }), { shapes: new Map([['x', [1, 3]]]) })
  const path = join(t.testdir({ 'model.xml': xml }), 'model.xml')
  writeFileSync(path.replace(/xml$/, 'bin'), bin)
  const feeds = {
    x: { dtype: 'float32', shape: [1, 3], data: Float32Array.of(1, 2, 3) },
    k: { dtype: 'int64', shape: [], data: BigInt64Array.of(2n) },
  } as const
  const [ir, onnx] = [await onnxruntimeEngine.open(path, { threads: 1 }), await onnxruntimeEngine.open(bytesOf(small), { threads: 1 })]
  t.teardown(() => Promise.all([ir.close(), onnx.close()]))
  t.strictSame(await ir.infer(feeds), await onnx.infer(feeds))
})
