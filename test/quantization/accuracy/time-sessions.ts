import { test } from 'tap'
import type { Session } from '../../../src/engines/engine.js'
import { timeSessions } from '../../../src/quantization/accuracy/time-sessions.js'

function fakes() {
  let now = 0
  const order: string[] = []
  const session = (name: string, ms: number): Session => ({
    inputs: [],
    outputs: [],
    infer: async () => {
      order.push(name)
      now += ms
      return {}
    },
    close: async () => {},
  })
  return { clock: { now: () => now }, order, float: session('f', 4), int8: session('i', 1) }
}

test('float and int8 run in turn, the first place swapped every round', async t => {
  const { clock, order, float, int8 } = fakes()
  const [floatUs, int8Us] = await timeSessions({ float, int8, inputs: {}, clock, budgetMs: 500 })
  t.equal(floatUs.length, int8Us.length)
  t.ok(floatUs.every(us => us === 4000) && int8Us.every(us => us === 1000))
  t.equal(order.slice(-8).join(''), order.slice(-8).join('').startsWith('f') ? 'fiiffiif' : 'iffiiffi')
})

test('rounds end with the budget, but not before there are enough', async t => {
  for (const [budgetMs, rounds] of [
    [0, 20],
    [500, 100],
    [1e9, 400],
  ] as const) {
    const { clock, float, int8 } = fakes()
    t.equal((await timeSessions({ float, int8, inputs: {}, clock, budgetMs }))[0].length, rounds, `${budgetMs} ms`)
  }
})
