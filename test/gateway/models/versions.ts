import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { loadModel } from '../../../src/graph/onnx/load.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { reportFixture } from '../../fixtures/gateway/report.js'
import { demoBundle, openSite, siteRequests } from '../../fixtures/gateway/site.js'

const model = 'fashion-resnet'

/** The demo's model as another file that answers the same. */
function otherFile(folder: string, producer: string): string {
  const path = join(folder, `${producer}.onnx`)
  const { graph } = loadModel(join(demoBundle, 'fashion-resnet.onnx'))
  const opsets = new Map([
    ['', 17],
    [producer, 1],
  ])
  writeFileSync(path, writeModel({ irVersion: 8, opsets, graph }))
  return path
}

test('float in another form is a version with a file of its own, which answers and outlives a restart', async t => {
  const folder = t.testdir({ state: {} })
  const site = await openSite(t, join(folder, 'state'))
  const record = await site.models.load(demoBundle)
  const of = record.versions[0]!.artifact
  const form = { device: 'cpu0', precision: 'float32', judgement: reportFixture().judgement!, of } as const
  const added = await site.models.addFloat(model, { ...form, model: otherFile(folder, 'first') })
  t.match(added, { version: '2', kind: 'float', device: 'cpu0', precision: 'float32', state: 'candidate' })
  t.not(added.artifact, of)
  t.equal((await site.models.addFloat(model, { ...form, model: otherFile(folder, 'first') })).version, '2', 'the same bytes again')
  await site.models.activate(model, '2')
  const [request] = await siteRequests(record, 1)
  t.match(await site.serve(model, request!), { version: '2', answer: { outputs: [{ name: 'logits' }] } })
  await site.close()
  const again = await openSite(t, join(folder, 'state'))
  await again.models.restore()
  t.match(again.models.get(model), { active: '2', state: 'ready' })
  t.equal((await again.serve(model, request!)).version, '2')
})

test('the form before goes with its file, and one of a bundle that was replaced is not taken', async t => {
  const folder = t.testdir({ state: {} })
  const site = await openSite(t, join(folder, 'state'))
  const record = await site.models.load(demoBundle)
  const of = record.versions[0]!.artifact
  const form = { device: 'cpu0', precision: 'float32', judgement: reportFixture().judgement!, of } as const
  await site.models.addFloat(model, { ...form, model: otherFile(folder, 'first') })
  const { model: first } = site.models.paths(model, '2')
  t.ok(existsSync(first))
  await site.models.addFloat(model, { ...form, model: otherFile(folder, 'second') })
  t.same(
    site.models.get(model).versions.map(({ version }) => version),
    ['1', '3'],
  )
  t.notOk(existsSync(first))
  t.ok(existsSync(site.models.paths(model, '3').model))
  await t.rejects(site.models.addFloat(model, { ...form, of: 'f'.repeat(64) }), { code: 'ERR_MODEL_CHANGED' })
})
