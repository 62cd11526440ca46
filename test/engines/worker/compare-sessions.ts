import { test } from 'tap'
import type { Session } from '../../../src/engines/engine.js'
import { compareSessions } from '../../../src/engines/worker/compare-sessions.js'
import { InferenceQueue } from '../../../src/engines/worker/inference-queue.js'
import type { ServedModel } from '../../../src/engines/worker/served-model.js'

const request = { contentType: 'application/octet-stream', body: Buffer.alloc(0) } as const

/** A model that notes who infers, and how many do at once. */
function noting(name: string, parallel: number, notes: string[]): ServedModel {
  let now = 0
  const session: Session = {
    inputs: [],
    outputs: [],
    parallel,
    infer: async () => {
      now += 1
      await new Promise(setImmediate)
      notes.push(`${name}${now}`)
      now -= 1
      return {}
    },
    close: async () => {},
  }
  const model = { session, queue: new InferenceQueue(session, 1), decode: async () => ({ inputs: {}, outputs: [] }) }
  return model as unknown as ServedModel
}

test('each round runs every model once, who begins changes, and what runs side by side is asked for all at once', async t => {
  const notes: string[] = []
  const times = await compareSessions([noting('a', 1, notes), noting('b', 2, notes)], { request, rounds: 2, warmUps: 1 })
  t.same(notes.join(' '), 'a1 b2 b1 a1 b2 b1 b2 b1 a1')
  t.same(
    times.map(list => list.length),
    [2, 2],
  )
  t.ok(times.flat().every(us => us > 0))
})
