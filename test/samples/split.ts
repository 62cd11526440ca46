import { test } from 'tap'
import type { SampleSource } from '../../src/samples/sample.js'
import { holdOut, subset } from '../../src/samples/split.js'

const source = (count: number): SampleSource => ({
  count,
  labelled: true,
  hash: 'h',
  read: async index => ({ id: String(index), inputs: {}, label: index }),
  close: async () => {},
})

const ids = async (samples: SampleSource) =>
  Promise.all(Array.from({ length: samples.count }, async (_, i) => Number((await samples.read(i)).id)))

test('held-out and kept samples are disjoint, complete, and the same for the same seed', async t => {
  const { kept, heldOut } = holdOut(source(50), { share: 0.3, seed: 7 })
  const again = holdOut(source(50), { share: 0.3, seed: 7 })
  const other = holdOut(source(50), { share: 0.3, seed: 8 })
  t.equal(heldOut.count, 15)
  const all = [...(await ids(kept)), ...(await ids(heldOut))].sort((a, b) => a - b)
  t.strictSame(all, [...Array(50).keys()])
  t.strictSame(await ids(again.heldOut), await ids(heldOut))
  t.equal(again.heldOut.hash, heldOut.hash)
  t.notSame(await ids(other.heldOut), await ids(heldOut))
})

test('a share of 0 or 1 leaves one part empty', async t => {
  t.equal(holdOut(source(3), { share: 0, seed: 1 }).heldOut.count, 0)
  t.equal(holdOut(source(3), { share: 1, seed: 1 }).kept.count, 0)
  t.equal(holdOut(source(0), { share: 0.5, seed: 1 }).heldOut.count, 0)
})

test('a subset keeps labels and order, and has a hash of its own', async t => {
  const part = subset(source(5), [4, 0])
  t.strictSame(await ids(part), [4, 0])
  t.equal((await part.read(0)).label, 4)
  t.notSame(part.hash, subset(source(5), [0, 4]).hash)
  t.throws(() => subset(source(5), [5]), { code: 'ERR_SAMPLES_READ' })
  await t.rejects(part.read(2), { code: 'ERR_SAMPLES_READ' })
})
