import { type Test, test } from 'tap'
import type { Engine, OpenOptions } from '../../src/engines/engine.js'
import { openFasterFloat } from '../../src/quantization/faster-float.js'
import { memorySamples } from '../fixtures/quantization/memory-samples.js'

interface Fake {
  readonly ms: number
  readonly answer: number
  readonly fails?: boolean
}

/** An engine that answers with one number after some milliseconds, and tells what it has open. */
function fakeEngine(name: string, { ms, answer, fails = false }: Fake) {
  const open: OpenOptions[] = []
  const engine: Engine = {
    name,
    serves: () => ({ ok: true }),
    supports: () => ({ ok: true }),
    version: () => '1',
    open: async (_, options) => {
      open.push(options)
      return {
        inputs: [],
        outputs: [{ name, dtype: 'float32', shape: [1] }],
        infer: async () => {
          if (fails) throw new Error('no kernel')
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
          return { y: { dtype: 'float32', shape: [1], data: Float32Array.of(answer) } }
        },
        close: async () => void open.pop(),
      }
    },
  }
  return { engine, open, target: { engine, options: { device: 'CPU' } } }
}

const samples = memorySamples(Array.from({ length: 100 }, () => ({ x: { dtype: 'float32', shape: [1], data: Float32Array.of(1) } })))
const slow = { ms: 25, answer: 1 }

async function chosen(t: Test, first: Fake, other: Fake): Promise<string> {
  const [own, theirs] = [fakeEngine('own', first), fakeEngine('theirs', other)]
  const session = await openFasterFloat({
    model: new Uint8Array(),
    engine: own.engine,
    others: [theirs.target],
    options: { threads: 1 },
    samples,
  })
  t.equal(own.open.length + theirs.open.length, 1, 'what was not taken is closed')
  if (theirs.open.length === 1) t.match(theirs.open[0], { device: 'CPU', precision: 'float32', threads: 1 })
  const name = session.outputs[0]!.name
  await session.close()
  return name
}

test('float answers on the faster engine', async t => {
  t.equal(await chosen(t, slow, { ms: 1, answer: 1 }), 'theirs')
  t.equal(await chosen(t, slow, { ms: 40, answer: 1 }), 'own')
})

test('an engine that answers something else, or nothing, is not taken, however fast', async t => {
  t.equal(await chosen(t, slow, { ms: 1, answer: 1.01 }), 'own')
  t.equal(await chosen(t, slow, { ms: 1, answer: 1, fails: true }), 'own')
})

test('where float is done within a second nothing else is looked at', async t => {
  t.equal(await chosen(t, { ms: 1, answer: 1 }, { ms: 0, answer: 1 }), 'own')
})
