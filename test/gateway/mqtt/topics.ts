import { test } from 'tap'
import { Topics } from '../../../src/gateway/mqtt/topics.js'

const topics = new Topics({ base: 'site/quantd', gateway: 'gw1' })

test('topics are parsed as they are built, whatever the base', async t => {
  t.same(topics.parse('site/quantd/gw1/infer/resnet50.v2/app'), { kind: 'infer', model: 'resnet50.v2', caller: 'app', pool: false })
  t.same(topics.parse('site/quantd/any/infer/m/-'), { kind: 'infer', model: 'm', caller: '-', pool: true })
  t.same(topics.parse('site/quantd/gw1/feedback/m/app'), { kind: 'feedback', model: 'm', caller: 'app' })
  t.same(topics.parse('site/quantd/gw1/cmd/activate/ops'), { kind: 'command', verb: 'activate', caller: 'ops' })
  t.same(topics.parse(topics.status), { kind: 'status' })
  t.equal(topics.pool('m'), '$share/quantd/site/quantd/any/infer/m/+')
  t.same(topics.control, ['site/quantd/gw1/cmd/+/+', 'site/quantd/gw1/feedback/+/+', 'site/quantd/gw1/status'])
})

test('what is not of the contract, or of another gateway, is not understood', async t => {
  for (const topic of [
    'quantd/gw1/infer/m/app',
    'site/quantd/gw2/infer/m/app',
    'site/quantd/gw1/infer/m',
    'site/quantd/gw1/infer/m/app/more',
    'site/quantd/gw1/infer//app',
    'site/quantd/gw1/infer/m/',
    'site/quantd/any/cmd/drain/ops',
    'site/quantd/any/feedback/m/app',
    'site/quantd/gw1/models/m/app',
    'site/quantd/gw1',
    '',
  ])
    t.equal(topics.parse(topic), undefined, topic)
})

test('an id cannot add a level', async t => {
  t.equal(topics.job('a/b+c#'), 'site/quantd/gw1/jobs/a-b-c-')
  t.equal(topics.device('vpu-1-2.3'), 'site/quantd/gw1/devices/vpu-1-2.3')
})
