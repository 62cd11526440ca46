import { test } from 'tap'
import { Race } from '../../../src/gateway/serving/race.js'
import type { InferOutcome } from '../../../src/gateway/serving/serving.js'

const answer = (device: string) => ({ kind: 'answer', device }) as unknown as InferOutcome
const refusal = { kind: 'refusal' } as unknown as InferOutcome
const expired: InferOutcome = { kind: 'expired', late: true }

function race(): { readonly race: Race; readonly outcomes: InferOutcome[] } {
  const outcomes: InferOutcome[] = []
  return { race: new Race(outcome => outcomes.push(outcome)), outcomes }
}

test('of two that are asked the first answer counts, once', async t => {
  const { race: two, outcomes } = race()
  two.join()
  two.settle(answer('b'))
  t.equal(two.isOver, true)
  two.settle(answer('a'))
  t.same(outcomes, [answer('b')])
})

test('a refusal waits for the other one, the last one counts where nobody answers', async t => {
  const first = race()
  first.race.join()
  first.race.settle(refusal)
  t.same(first.outcomes, [])
  first.race.settle(answer('a'))
  t.same(first.outcomes, [answer('a')])
  const second = race()
  second.race.join()
  second.race.settle(refusal)
  second.race.settle(expired)
  t.same(second.outcomes, [expired])
})

test('of one that is asked anything counts', async t => {
  for (const outcome of [answer('a'), refusal, expired]) {
    const { race: one, outcomes } = race()
    one.settle(outcome)
    t.same(outcomes, [outcome])
  }
})
