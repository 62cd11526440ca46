import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { followModels } from '../../../src/gateway/calibration/follow-models.js'
import { demoBundle, openSite, siteRequests } from '../../fixtures/gateway/site.js'

test('capture follows the manifests of what is loaded, changed and unloaded', async t => {
  const folder = t.testdir({ state: {}, other: {} })
  const site = await openSite(t, join(folder, 'state'))
  const before = await site.models.load(demoBundle)
  const stop = await followModels(site.models, site.capture)
  t.match(site.capture.state(before.name), { mode: 'on' }, 'loaded before')
  copyFileSync(join(demoBundle, 'fashion-resnet.onnx'), join(folder, 'other', 'second.onnx'))
  const { name, manifest } = await site.models.load(join(folder, 'other'))
  t.match(site.capture.state(name), { mode: 'off' }, 'off until someone turns it on')
  await site.models.setCapture(name, { ...manifest.capture, mode: 'on' })
  t.match(site.capture.state(name), { mode: 'on' })
  const [request] = await siteRequests(before, 1)
  await site.serve(before.name, request!)
  await site.models.unload(before.name)
  await site.capture.flush()
  t.match(site.capture.state(before.name), { mode: 'off', samples: 1 }, 'what was captured stays until it is erased')
  stop()
  await site.models.setCapture(name, { ...manifest.capture, mode: 'off' })
  t.match(site.capture.state(name), { mode: 'on' })
})
