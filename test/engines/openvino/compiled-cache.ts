import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { CompiledCache } from '../../../src/engines/openvino/compiled-cache.js'
import { openvinoEngine } from '../../../src/engines/openvino/engine.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { buildModel, op, seeded } from '../../fixtures/graph-builder.js'
import { withoutOpenvino } from '../../fixtures/openvino.js'
import { smallDisk } from '../../fixtures/small-disk.js'

/** As OpenVINO would: `bytes` of one letter in a file of the folder that `find` gave. */
async function put(cache: CompiledCache, key: string, bytes = 3): Promise<void> {
  const folder = await cache.find(key, bytes)
  writeFileSync(join(folder!, '1.blob'), 'b'.repeat(bytes))
  await cache.keep(key)
}

const filesOf = async (cache: CompiledCache, key: string) => readdirSync((await cache.find(key, 3))!)

function opened(t: Test, maxMiB = 1) {
  const folder = join(t.testdir(), 'compiled')
  return { folder, cache: new CompiledCache({ folder, maxMiB }) }
}

test('what was kept is found again, what was not kept is not', async t => {
  const { cache } = opened(t)
  await put(cache, 'a')
  t.same(await filesOf(cache, 'a'), ['1.blob', 'seal.json'])
  t.same(await filesOf(cache, 'b'), [])
  await cache.keep('b')
  t.same(await filesOf(cache, 'b'), [], 'nothing was written')
  await cache.drop('a')
  t.same(await filesOf(cache, 'a'), [])
})

test('a file that was cut short or altered is thrown away, and so is one that nobody sealed', async t => {
  const { folder, cache } = opened(t)
  const harms: readonly ((path: string) => void)[] = [
    path => truncateSync(path, 1),
    path => writeFileSync(path, 'bxb'),
    path => writeFileSync(join(path, '../2.blob'), 'b'),
    path => writeFileSync(join(path, '../seal.json'), '{"1.blo'),
  ]
  for (const harm of harms) {
    await put(cache, 'a')
    harm(join(folder, 'a', '1.blob'))
    t.same(await filesOf(cache, 'a'), [])
  }
})

test('beyond the limit the least recently used make room, and half written ones when they are old', async t => {
  const { folder, cache } = opened(t, 1)
  const half = 400_000
  for (const key of ['a', 'b']) await put(cache, key, half)
  const longAgo = new Date(Date.now() - 7_200_000)
  utimesSync(join(folder, 'b', 'seal.json'), longAgo, longAgo)
  mkdirSync(join(folder, 'abandoned'))
  utimesSync(join(folder, 'abandoned'), longAgo, longAgo)
  mkdirSync(join(folder, 'arriving'))
  t.ok((await filesOf(cache, 'a')).length > 0, 'used')
  await put(cache, 'c', half)
  t.same(readdirSync(folder).sort(), ['a', 'arriving', 'c'])
})

test('what would fill the limit by itself is not kept, nor anything in a folder that cannot be made', async t => {
  const { folder, cache } = opened(t, 1)
  t.equal(await cache.find('a', 600_000), undefined)
  t.same(readdirSync(folder), [])
  const file = join(t.testdirName, 'file')
  writeFileSync(file, '')
  for (const place of [join(file, 'compiled'), '/proc/nowhere/compiled']) {
    const nowhere = new CompiledCache({ folder: place, maxMiB: 1 })
    t.equal(await nowhere.find('a', 1), undefined)
    await nowhere.keep('a')
  }
})

/** z = relu(x W). */
const model = (seed: number) =>
  writeModel(
    buildModel({
      inputs: { x: ['float32', ['n', 64]] },
      outputs: { z: ['float32', ['n', 64]] },
      constants: { w: seeded([64, 64], seed) },
      nodes: [op('MatMul', ['x', 'w'], 'xw'), op('Relu', ['xw'], 'z')],
    }),
  )
const x = { dtype: 'float32', shape: [1, 64], data: Float32Array.from({ length: 64 }, (_, i) => i - 30) } as const

/** The answer of a session that is opened with what is kept in `folder`. */
async function answerOf(bytes: Uint8Array, folder?: string) {
  const session = await openvinoEngine.open(bytes, { threads: 1, ...(folder === undefined ? {} : { cache: { folder, maxMiB: 64 } }) })
  const { z } = await session.infer({ x })
  await session.close()
  return z
}

const blobs = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.blob'))
    .map(name => join(folder, name))

test('OpenVINO opens a second time from what it wrote at the first, and answers alike', withoutOpenvino, async t => {
  const folder = join(t.testdir(), 'compiled')
  const expected = await answerOf(model(1))
  t.strictSame(await answerOf(model(1), folder), expected)
  const [blob, ...others] = blobs(folder)
  t.same(others, [])
  const { ino } = statSync(blob!)
  t.strictSame(await answerOf(model(1), folder), expected)
  t.equal(statSync(blob!).ino, ino, 'not written again')
})

test('other weights in the same graph are another model', withoutOpenvino, async t => {
  const folder = join(t.testdir(), 'compiled')
  for (const seed of [1, 2, 1, 2]) t.strictSame(await answerOf(model(seed), folder), await answerOf(model(seed)), `seed ${seed}`)
  t.equal(blobs(folder).length, 2)
})

test('a file that a power cut left damaged costs the time to compile, not the answer', withoutOpenvino, async t => {
  const folder = join(t.testdir(), 'compiled')
  const expected = await answerOf(model(1), folder)
  const [blob] = blobs(folder)
  const whole = readFileSync(blob!)
  const zeroed = Buffer.from(whole)
  zeroed.fill(0, whole.byteLength / 2)
  for (const damaged of [whole.subarray(0, 0), whole.subarray(0, 100), whole.subarray(0, -100), zeroed]) {
    chmodSync(blob!, 0o600)
    writeFileSync(blob!, damaged)
    t.strictSame(await answerOf(model(1), folder), expected)
    t.notOk(readFileSync(blob!).equals(damaged), 'written anew')
  }
})

test('on a disk without room nothing is kept', withoutOpenvino, async t => {
  const disk = smallDisk(t, 4)
  if (disk === undefined) {
    t.pass('a small disk', { skip: 'no right to mount a small file system here' })
    return
  }
  const folder = join(disk, 'compiled')
  t.strictSame(await answerOf(model(1), folder), await answerOf(model(1)))
  t.same(existsSync(folder) ? readdirSync(folder) : [], [])
})
