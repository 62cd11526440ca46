import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { BundleStore } from '../../../src/gateway/models/bundle-store.js'

const files = { 'model.json': '{}', 'm.onnx': 'float', deep: { 'weights.bin': 'external data' } }

test('a bundle is kept whole under its hash, whichever way it came', async t => {
  const folder = t.testdir({ state: {}, bundle: files })
  const store = new BundleStore(join(folder, 'state'))
  const bundle = await store.read(join(folder, 'bundle'), 'named')
  t.equal(bundle.name, 'named')
  await store.keep(bundle)
  await store.keep(bundle)
  t.equal(readFileSync(join(store.path(bundle.hash), 'deep/weights.bin'), 'utf8'), 'external data')
  t.same(readdirSync(join(folder, 'state/bundles')), [bundle.hash])
})

test('a kept bundle that was damaged is healed by keeping it again', async t => {
  const folder = t.testdir({ state: {}, bundle: files })
  const store = new BundleStore(join(folder, 'state'))
  const bundle = await store.read(join(folder, 'bundle'), undefined)
  await store.keep(bundle)
  writeFileSync(join(store.path(bundle.hash), 'm.onnx'), 'rotten')
  await store.keep(bundle)
  t.equal(readFileSync(join(store.path(bundle.hash), 'm.onnx'), 'utf8'), 'float')
})

test('collecting spares what is referenced, and what is under way unless all is asked for', async t => {
  const folder = t.testdir({ state: {}, bundle: files })
  const store = new BundleStore(join(folder, 'state'))
  const bundle = await store.read(join(folder, 'bundle'), undefined)
  await store.keep(bundle)
  const [stray, half] = ['f'.repeat(64), `${bundle.hash}.1.tmp`]
  for (const name of [stray, half]) mkdirSync(store.path(name))
  await store.collect(new Set([bundle.hash]), 'unreferenced')
  t.same(readdirSync(join(folder, 'state/bundles')).sort(), [bundle.hash, half].sort())
  await store.collect(new Set([bundle.hash]), 'all')
  t.same(readdirSync(join(folder, 'state/bundles')), [bundle.hash])
})
