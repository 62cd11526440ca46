import fc from 'fast-check'
import { test } from 'tap'
import { refuseReplyTopic } from '../../../src/gateway/mqtt/reply-topic.js'

const prefixes = ['quantd-reply/{caller}/', 'site/{caller}/in/']

test('only topics below a prefix with the caller’s own name are taken', async t => {
  for (const topic of ['quantd-reply/app/1', 'quantd-reply/app/a/b/c', 'site/app/in/x', 'quantd-reply/app/ünï'])
    t.equal(refuseReplyTopic(topic, { caller: 'app', prefixes }), undefined, topic)
  for (const topic of [
    'quantd-reply/other/1',
    'quantd-reply/app',
    'quantd-reply/app/',
    'quantd-reply/apps/1',
    'quantd-reply/{caller}/1',
    'quantd-reply/app/+',
    'quantd-reply/app/#',
    'quantd-reply/app/\u0000',
    'quantd-reply/app/\u0085',
    'quantd-reply/app/\ufffe',
    'quantd-reply/app/\ufdd0',
    'quantd-reply/app/\ud800',
    'quantd-reply/app/\ufffd',
    '$SYS/x',
    'quantd/gw1/cmd/drain/app',
    '',
    `quantd-reply/app/${'x'.repeat(240)}`,
  ])
    t.type(refuseReplyTopic(topic, { caller: 'app', prefixes }), 'string', JSON.stringify(topic))
})

test('no topic at all gets a caller into another caller’s inbox', async t => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme', minLength: 1 }), (rest, caller) => {
      const topic = `quantd-reply/${rest}`
      if (refuseReplyTopic(topic, { caller, prefixes }) === undefined) t.ok(topic.startsWith(`quantd-reply/${caller}/`), topic)
    }),
    { seed: 1 },
  )
  t.pass('for 100 seeded topics')
})
