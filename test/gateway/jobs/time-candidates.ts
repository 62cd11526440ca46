import { test } from 'tap'
import { stillOpen } from '../../../src/gateway/jobs/time-candidates.js'
import { judgeSpeed } from '../../../src/quantization/accuracy/judge-speed.js'
import type { Judgement } from '../../../src/quantization/report/report.js'
import { reportFixture } from '../../fixtures/gateway/report.js'

/** A candidate whose ratio lies between `low` and `high`. */
function timed(name: string, [low, ratio, high]: readonly [number, number, number], verdict: Judgement['verdict'] = 'accepted') {
  const judgement = reportFixture({ verdict }).judgement!
  const others = [...new Array<number>(20).fill(low), ratio, ...new Array<number>(20).fill(high)].map(share => 100 * share)
  const speed = judgeSpeed(judgement, [others.map(() => 100), others])
  return { name, judgement: speed, candidate: { made: { kind: 'made', judgement } } as never }
}

const names = (...list: ReturnType<typeof timed>[]) => stillOpen(list).map(({ name }) => name)

test('a clear order leaves nothing open', t => {
  t.same(names(timed('a', [0.4, 0.41, 0.42]), timed('b', [0.5, 0.51, 0.52]), timed('c', [1.1, 1.2, 1.3])), [])
  t.same(names(timed('a', [0.3, 0.4, 0.9])), [], 'one alone is the fastest, however wide its interval')
  t.end()
})

test('who may still be the fastest is timed again, and who may or may not beat float', t => {
  t.same(names(timed('a', [0.4, 0.41, 0.45]), timed('b', [0.44, 0.51, 0.52]), timed('c', [0.6, 0.61, 0.62])), ['a', 'b'])
  t.same(names(timed('a', [0.4, 0.41, 0.42]), timed('b', [0.9, 0.95, 1.2])), ['b'])
  t.end()
})

test('what loses too much is not timed again', t => {
  t.same(names(timed('a', [0.4, 0.41, 0.45]), timed('b', [0.4, 0.41, 0.45], 'refused'), timed('c', [0.9, 0.95, 1.2], 'unjudged')), [])
  t.end()
})
