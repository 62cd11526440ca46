import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import type { Tensor } from '../../src/graph/tensor/tensor.js'
import { encodeRequest } from '../../src/samples/encode-request.js'
import { Manifest } from '../../src/samples/manifest.js'
import { openRequests } from '../../src/samples/request-source.js'

const context = { inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 2] }], manifest: Manifest.parse({}) } as const
const tensor = (values: readonly number[]): Tensor => ({ dtype: 'float32', shape: [1, 2], data: Float32Array.from(values) })

test('captured requests are read as they were served, whatever outputs they asked for', async t => {
  const folder = t.testdir()
  const stored = (['json', 'oip', 'raw'] as const).map((form, i) => {
    const { body, ...rest } = encodeRequest(
      { x: tensor([i, 0.5]) },
      { form, ...(form === 'raw' ? {} : { outputs: [{ name: 'gone', form: 'json' }] }) },
    )
    const path = join(folder, `${i}`)
    writeFileSync(path, body)
    return { id: `r${i}`, path, ...rest, ...(i === 1 ? { label: 'text' } : {}) }
  })
  const source = await openRequests(stored, context)
  t.equal(source.count, 3)
  t.ok(source.labelled)
  t.strictSame(await source.read(0), { id: 'r0', inputs: { x: tensor([0, 0.5]) } })
  t.strictSame(await source.read(1), { id: 'r1', inputs: { x: tensor([1, 0.5]) }, label: 'text' })
  t.strictSame(await source.read(2), { id: 'r2', inputs: { x: tensor([2, 0.5]) } })
  t.not((await openRequests(stored.slice(0, 2), context)).hash, source.hash)
  writeFileSync(stored[0]?.path ?? '', '{')
  await t.rejects(source.read(0), { code: 'ERR_SAMPLES_READ', message: /'r0'.*JSON/ })
  rmSync(stored[2]?.path ?? '')
  await t.rejects(source.read(2), { code: 'ERR_SAMPLES_READ', details: { id: 'r2' } })
  await t.rejects(openRequests(stored, context), { code: 'ERR_SAMPLES_READ' })
})
