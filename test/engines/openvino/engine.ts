import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { openvinoEngine } from '../../../src/engines/openvino/engine.js'
import { OpenvinoSession } from '../../../src/engines/openvino/session.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { engineConformance } from '../../conformance/engine.js'
import { buildModel, op, seeded } from '../../fixtures/graph-builder.js'
import { withoutOpenvino } from '../../fixtures/openvino.js'

/** y = x * float(k), z = relu(x W). */
const small = writeModel(
  buildModel({
    inputs: { x: ['float32', ['n', 3]], k: ['int64', []] },
    outputs: { y: ['float32', ['n', 3]], z: ['float32', ['n', 2]] },
    constants: { w: seeded([3, 2]) },
    nodes: [
      op('Cast', ['k'], 'kf', { to: { kind: 'int', value: 1 } }),
      op('Mul', ['x', 'kf'], 'y'),
      op('MatMul', ['x', 'w'], 'xw'),
      op('Relu', ['xw'], 'z'),
    ],
  }),
)

test('it keeps what engines promise', withoutOpenvino, async t => {
  const path = join(t.testdir(), 'model.onnx')
  writeFileSync(path, small)
  await engineConformance(t, { engine: openvinoEngine, path, bytes: small, symbols: 'dropped' })
})

test('a session opened with profiling names the kernel of each node', withoutOpenvino, async t => {
  const session = await openvinoEngine.open(small, { threads: 1, profile: true })
  t.teardown(() => session.close())
  await session.infer({
    x: { dtype: 'float32', shape: [1, 3], data: Float32Array.of(1, 2, 3) },
    k: { dtype: 'int64', shape: [], data: BigInt64Array.of(2n) },
  })
  t.ok(session instanceof OpenvinoSession)
  const product = (session as OpenvinoSession).profile().find(({ nodeType }) => /MatMul|FullyConnected/.test(nodeType))
  t.match(product?.execType, /_f32$/i)
})

test('precision, hint and cache folder reach OpenVINO', withoutOpenvino, async t => {
  const cache = { folder: join(t.testdir(), 'cache'), maxMiB: 16 }
  for (const precision of ['float32', 'bfloat16'] as const) {
    const session = await openvinoEngine.open(small, { threads: 1, precision, hint: 'throughput', cache })
    const { z } = await session.infer({
      x: { dtype: 'float32', shape: [1, 3], data: Float32Array.of(1, 2, 3) },
      k: { dtype: 'int64', shape: [], data: BigInt64Array.of(2n) },
    })
    t.equal(z?.dtype, 'float32', precision)
    await session.close()
  }
})

const row = (k: number) =>
  ({
    x: { dtype: 'float32', shape: [2, 3], data: Float32Array.from({ length: 6 }, (_, i) => i - k) },
    k: { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(k)) },
  }) as const

test('with the throughput hint inferences run side by side, and each answers as it would alone', withoutOpenvino, async t => {
  const alone = await openvinoEngine.open(small, { threads: 1 })
  t.equal(alone.parallel, 1)
  const session = await openvinoEngine.open(small, { threads: 2, hint: 'throughput' })
  t.equal(session.parallel, 2, 'a stream for each thread')
  const asked = Array.from({ length: 12 }, (_, k) => k)
  const answers = await Promise.all(asked.map(k => session.infer(row(k))))
  for (const k of asked) t.strictSame(answers[k], await alone.infer(row(k)))
  await alone.close()
  await session.close()
})

test('a session is closed after what it was asked before, and takes nothing more', withoutOpenvino, async t => {
  const session = await openvinoEngine.open(small, { threads: 2, hint: 'throughput' })
  const asked = Array.from({ length: 6 }, (_, k) => session.infer(row(k)))
  const wrong = session.infer(row(1), ['nope'])
  const closing = session.close()
  await t.rejects(session.infer(row(1)), { code: 'ERR_ENGINE_CLOSED' })
  await t.rejects(wrong, { code: 'ERR_ENGINE_INFER', message: /nope/ })
  t.equal((await Promise.all(asked)).length, 6)
  await closing
})

test('what OpenVINO says of a device that is not there comes with the error', withoutOpenvino, async t => {
  await t.rejects(openvinoEngine.open(small, { threads: 1, device: 'NOPE' }), { code: 'ERR_ENGINE_OPEN', message: /NOPE/ })
})

test('an output that no inference computes anew stays what it is, whatever shapes come', withoutOpenvino, async t => {
  const model = buildModel({
    inputs: { x: ['float32', ['n', 3]] },
    outputs: { y: ['float32', ['n', 3]], c: ['float32', [2, 2]] },
    constants: { w: seeded([2, 2]) },
    nodes: [op('Relu', ['x'], 'y'), op('Identity', ['w'], 'c')],
  })
  const session = await openvinoEngine.open(writeModel(model), { threads: 1 })
  t.teardown(() => session.close())
  const constants: unknown[] = []
  for (const n of [1, 2, 2, 3, 1]) {
    const { y, c } = await session.infer({ x: { dtype: 'float32', shape: [n, 3], data: new Float32Array(3 * n).fill(n) } })
    t.strictSame(Array.from(y!.data as Float32Array), new Array<number>(3 * n).fill(n))
    constants.push(Array.from(c!.data as Float32Array))
  }
  for (const constant of constants) t.strictSame(constant, constants[0])
})
