import type { Test } from 'tap'
import type { Engine, Session } from '../../src/engines/engine.js'
import { dtypes } from '../../src/graph/tensor/dtype.js'
import { elementCount, type Tensor } from '../../src/graph/tensor/tensor.js'

export interface EngineConformance {
  readonly engine: Engine
  /**
   * A model with input `x` float32 ['n', 3], input `k` int64 [] and outputs `y` float32 ['n', 3] and `z` float32 ['n', 2], on disk.
   * Row r of the outputs depends on row r of `x` alone, and is finite for finite inputs.
   */
  readonly path: string
  readonly bytes: Uint8Array
  /** Whether the engine keeps the names of free sizes. Default kept. */
  readonly symbols?: 'kept' | 'dropped'
}

const x = (rows: number, fill = 1): Tensor => ({
  dtype: 'float32',
  shape: [rows, 3],
  data: new Float32Array(rows * 3).map((_, i) => fill + i),
})
const k: Tensor = { dtype: 'int64', shape: [], data: BigInt64Array.of(2n) }

/** What every engine promises, whatever it computes. */
export async function engineConformance(t: Test, { engine, path, bytes, symbols = 'kept' }: EngineConformance): Promise<void> {
  const open = async (t: Test, artifact: string | Uint8Array = bytes): Promise<Session> => {
    const session = await engine.open(artifact, { threads: 1 })
    t.teardown(() => session.close())
    return session
  }

  await t.test('a session names its inputs and outputs with type and shape', async t => {
    const { inputs, outputs } = await open(t)
    t.match(inputs, [
      { name: 'x', dtype: 'float32', shape: [symbols === 'kept' ? 'n' : undefined, 3] },
      { name: 'k', dtype: 'int64', shape: [] },
    ])
    t.match(outputs, [
      { name: 'y', dtype: 'float32' },
      { name: 'z', dtype: 'float32' },
    ])
    t.equal(inputs.length, 2)
    t.equal(outputs.length, 2)
  })

  await t.test('outputs have the shape that their batch asks for, and storage of their dtype', async t => {
    const session = await open(t)
    for (const rows of [1, 4]) {
      const { y, z } = await session.infer({ x: x(rows), k })
      t.strictSame(y?.shape, [rows, 3])
      t.strictSame(z?.shape, [rows, 2])
      for (const { dtype, shape, data } of [y!, z!]) {
        t.ok(data instanceof dtypes[dtype].array)
        t.equal(data.length, elementCount(shape))
      }
    }
  })

  await t.test('only what is wanted comes back', async t => {
    const session = await open(t)
    t.strictSame(Object.keys(await session.infer({ x: x(1), k }, ['z'])), ['z'])
    t.strictSame(Object.keys(await session.infer({ x: x(1), k })), ['y', 'z'])
  })

  await t.test('the same feeds give the same bytes, from a path and from bytes, with one thread and two', async t => {
    const expected = await (await open(t)).infer({ x: x(2), k })
    t.strictSame(await (await open(t, path)).infer({ x: x(2), k }), expected)
    const two = await engine.open(bytes, { threads: 2 })
    t.strictSame(await two.infer({ x: x(2), k }), expected)
    await two.close()
  })

  await t.test('an answer stays as it was when the next inference runs', async t => {
    const session = await open(t)
    const { y } = await session.infer({ x: x(1), k })
    const kept = Float32Array.from(y?.data as Float32Array)
    await session.infer({ x: x(1, 50), k })
    t.strictSame(y?.data, kept)
  })

  await t.test('rows of a batch are answered as if they were alone', async t => {
    const session = await open(t)
    const { y } = await session.infer({ x: x(2), k })
    const second = await session.infer({ x: { ...x(1), data: (x(2).data as Float32Array).slice(3) }, k })
    t.strictSame(y?.data.slice(3), second.y?.data)
  })

  await t.test('feeds that do not match are refused by input, and the session goes on', async t => {
    const session = await open(t)
    const cases: readonly [string, Record<string, Tensor>, string][] = [
      ['missing', { x: x(1) }, 'k'],
      ['unknown', { x: x(1), k, q: k }, 'q'],
      ['dtype', { x: { ...x(1), dtype: 'float64', data: new Float64Array(3) }, k }, 'x'],
      ['storage', { x: { ...x(1), data: new Float64Array(3) }, k }, 'x'],
      ['rank', { x: { ...x(1), shape: [3] }, k }, 'x'],
      ['fixed size', { x: { ...x(1), shape: [1, 4], data: new Float32Array(4) }, k }, 'x'],
      ['element count', { x: { ...x(1), shape: [2, 3] }, k }, 'x'],
    ]
    for (const [name, feeds, input] of cases) await t.rejects(session.infer(feeds), { code: 'ERR_ENGINE_FEED', details: { input } }, name)
    t.ok((await session.infer({ x: x(1), k })).y)
  })

  await t.test('an unknown output is refused', async t => {
    await t.rejects((await open(t)).infer({ x: x(1), k }, ['nope']), { code: 'ERR_ENGINE_INFER' })
  })

  await t.test('what is no model is refused when it is opened', async t => {
    await t.rejects(engine.open(new TextEncoder().encode('no model'), { threads: 1 }), { code: 'ERR_ENGINE_OPEN' })
    await t.rejects(engine.open('/nowhere/model', { threads: 1 }), { code: 'ERR_ENGINE_OPEN' })
  })

  await t.test('a closed session refuses, and closes twice without harm', async t => {
    const session = await engine.open(bytes, { threads: 1 })
    await session.close()
    await session.close()
    await t.rejects(session.infer({ x: x(1), k }), { code: 'ERR_ENGINE_CLOSED' })
  })

  await t.test('it tells its version, and what it serves with a reason', async t => {
    t.match(engine.version(), /^\d/)
    const device = {
      id: 'vpu-1',
      kind: 'vpu',
      name: '',
      vendor: '',
      state: 'ready',
      target: undefined,
      why: '',
      features: [],
      facts: {},
    } as const
    const verdict = engine.serves(device)
    t.ok(verdict.ok || verdict.reason.length > 10)
  })
}
