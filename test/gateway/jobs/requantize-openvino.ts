import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { addOpenvino, openvinoId } from '../../fixtures/gateway/openvino-site.js'
import { demoBundle, openSite, siteRequests } from '../../fixtures/gateway/site.js'
import { withoutOpenvino } from '../../fixtures/openvino.js'

const model = 'fashion-resnet'
test(
  'int8 of both engines and float of OpenVINO are judged where they would serve, and the fastest allowed one answers',
  withoutOpenvino,
  async t => {
    const folder = t.testdir({ state: {} })
    const site = await openSite(t, join(folder, 'state'), { timesUs: 'measured' })
    const { serving: openvino } = await addOpenvino(t, site, folder)
    t.match(openvino, { engineDevice: 'CPU', engine: { name: 'openvino', version: /^20\d\d\./ } })
    t.equal(openvino.precisions[0], 'float32')
    const loaded = await site.models.load(demoBundle)
    await site.capture.configure(model, { ...loaded.manifest.capture, mode: 'on' })
    const requests = await siteRequests(loaded, 170)
    for (const request of requests) {
      await site.serve(model, request)
      await site.capture.label(model, request.id, request.label)
    }
    const request = { model, samples: 60, max_drop: 0.05 }
    const { job_id } = await site.jobs.start({ kind: 'requantize', model, request, trigger: 'cli', caller: 'test' })
    const job = await site.ended(job_id)
    const rows = job.candidates ?? []
    t.same(
      rows.map(({ engine, precision }) => `${precision} on ${engine}`),
      [
        'float32 on onnxruntime',
        'int8 on onnxruntime',
        'int8 on openvino',
        ...(openvino.precisions.includes('bfloat16') ? ['int8+bfloat16 on openvino'] : []),
        ...openvino.precisions.map(precision => `${precision} on openvino`),
      ],
    )
    t.same(
      rows.filter(({ verdict }) => verdict === 'failed'),
      [],
    )
    for (const row of rows.slice(1)) {
      t.match(row, {
        metric: 'top1',
        value: Number,
        drop: Number,
        ms: Number,
        ratio: Number,
        load_ms: Number,
        memory_mib: Number,
        why: String,
      })
    }
    const accepted = rows.filter(({ verdict }) => verdict === 'accepted')
    const fastest = [...accepted].sort((a, b) => a.ratio! - b.ratio!)[0]
    t.equal(rows.find(({ chosen }) => chosen)?.version, fastest?.version ?? '1')
    t.equal(site.models.get(model).active, fastest?.version ?? '1')
    const int8 = rows.find(({ engine, precision }) => engine === 'openvino' && precision === 'int8')
    const { report, model: file } = site.models.paths(model, int8!.version!)
    t.match(JSON.parse(readFileSync(report!, 'utf8')), {
      device: 'openvino-cpu',
      choice: { length: rows.length },
      judgement: { items: 110 },
    })
    t.ok(readFileSync(file).byteLength > 0)
    await site.models.activate(model, int8!.version!, { force: true })
    const { route, release } = site.models.acquire(model)
    release()
    t.match(route, { device: openvinoId, version: int8!.version })
  },
)
