import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { type NullModel, nullEngine } from '../../../src/engines/null/engine.js'
import { engineConformance } from '../../conformance/engine.js'

const model: Omit<NullModel, 'latency_ms'> = {
  inputs: [
    { name: 'x', dtype: 'float32', shape: ['n', 3] },
    { name: 'k', dtype: 'int64', shape: [] },
  ],
  outputs: [
    { name: 'y', dtype: 'float32', shape: ['n', 3] },
    { name: 'z', dtype: 'float32', shape: [null, 2] },
  ],
  fill: 'sum',
}

test('it keeps what engines promise', async t => {
  const bytes = new TextEncoder().encode(JSON.stringify(model))
  const path = join(t.testdir(), 'model.json')
  writeFileSync(path, bytes)
  await engineConformance(t, { engine: nullEngine, path, bytes })
})

test('sums follow their row, zeros are zeros', async t => {
  const feeds = {
    x: { dtype: 'float32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 10, 20, 30) },
    k: { dtype: 'int64', shape: [], data: BigInt64Array.of(0n) },
  } as const
  const open = (fill: NullModel['fill']) => nullEngine.open(new TextEncoder().encode(JSON.stringify({ ...model, fill })), { threads: 1 })
  t.strictSame((await (await open('sum')).infer(feeds)).z?.data, Float32Array.of(6, 7, 60, 61))
  t.strictSame((await (await open('zeros')).infer(feeds)).z?.data, Float32Array.of(0, 0, 0, 0))
})
