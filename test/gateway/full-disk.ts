import { rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { freeBytes } from '../../src/gateway/store/disk.js'
import { demoBundle, openSite, siteRequests } from '../fixtures/gateway/site.js'
import { smallDisk } from '../fixtures/small-disk.js'

const model = 'fashion-resnet'

test('a full disk stops capture, swaps and jobs, not serving; jobs go on when there is room again', async t => {
  const disk = smallDisk(t, 16)
  if (disk === undefined) {
    t.pass('a small disk', { skip: 'no right to mount a small file system here' })
    return
  }
  const site = await openSite(t, disk)
  const loaded = await site.models.load(demoBundle)
  await site.capture.configure(model, { ...loaded.manifest.capture, mode: 'on' })
  const requests = await siteRequests(loaded, 40)
  for (const request of requests.slice(0, 20)) await site.serve(model, request)
  await site.capture.flush()
  const filler = join(disk, 'filler')
  writeFileSync(filler, Buffer.alloc(freeBytes(disk)))
  t.equal(freeBytes(disk), 0)

  for (const request of requests) t.equal((await site.serve(model, request)).version, '1', 'answered all the same')
  await site.capture.flush()
  t.match(site.capture.state(model), { stopped: 'disk full', samples: 20 })
  const start = { kind: 'requantize', model, request: { model }, trigger: 'cli', caller: 'cli' } as const
  await t.rejects(site.jobs.start(start), { code: 'ERR_STORE_FULL' })
  t.equal(site.models.get(model).active, '1')

  rmSync(filler)
  const { samples, release } = await site.capture.snapshot(model)
  t.ok(
    samples.every(({ path }) => statSync(path).size > 784),
    'no half-written sample',
  )
  await release()
  t.match(await site.ended((await site.jobs.start(start)).job_id), { state: 'succeeded', version: '2' })
  t.equal(site.store.database.pragma('integrity_check', { simple: true }), 'ok')
})
