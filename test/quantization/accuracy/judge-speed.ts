import { test } from 'tap'
import { isFaster, judgeSpeed, medianInterval, timingOf } from '../../../src/quantization/accuracy/judge-speed.js'
import type { Judgement } from '../../../src/quantization/report/report.js'

const accepted: Judgement = {
  verdict: 'accepted',
  sentence: 'kept',
  metric: 'top1',
  by: 'labels',
  items: 100,
  float: 1,
  int8: 1,
  drop: 0,
  max_drop: 0.01,
  agreement: 1,
  snr_db: 40,
  cosine: 1,
}
const rounds = (count: number, of: (round: number) => number) => Array.from({ length: count }, (_, round) => of(round))

test('the interval of the median holds 95 % (order statistics of the binomial)', async t => {
  // Conover, Practical Nonparametric Statistics: n = 10 -> 2nd and 9th, n = 20 -> 6th and 15th, n = 100 -> 40th and 61st.
  for (const [count, low, high] of [
    [10, 1, 8],
    [20, 5, 14],
    [100, 39, 60],
    [5, 0, 4],
    [1, 0, 0],
  ] as const) {
    t.same(medianInterval(count), { low, high }, `${count} values`)
  }
  const many = medianInterval(4000)
  t.ok(many.low > 1900 && many.low < 1960 && many.high === 3999 - many.low, 'also where 2^-n is no number')
})

test('paired rounds cancel what slows both', async t => {
  const busy = (round: number) => (round % 3 === 0 ? 5 : 1)
  const timing = timingOf([rounds(60, round => 100 * busy(round)), rounds(60, round => 80 * busy(round))])
  t.match(timing, { ratio: 0.8, low: 0.8, high: 0.8, rounds: 60 })
  t.ok(isFaster(timing))
})

test('faster means at most 0.97 with the interval below 1', async t => {
  t.ok(isFaster(timingOf([rounds(50, () => 100), rounds(50, () => 97)])))
  t.notOk(isFaster(timingOf([rounds(50, () => 100), rounds(50, () => 98)])), '0.98')
  t.notOk(isFaster(timingOf([rounds(8, () => 100), rounds(8, round => (round % 2 === 0 ? 60 : 110))])), 'an interval that reaches 1')
})

test('int8 that is slower is refused in one sentence, whatever its accuracy', async t => {
  const slow = judgeSpeed(accepted, [rounds(50, () => 1000), rounds(50, () => 1200)])
  t.match(slow, { verdict: 'refused', sentence: /^int8 is not faster than float: 1.00 ms in float, 1.20 ms in int8, ratio 1.20/ })
  const fast = judgeSpeed(accepted, [rounds(50, () => 1000), rounds(50, () => 500)])
  t.match(fast, { verdict: 'accepted', sentence: /^kept; 2.00 times as fast/ })
  t.match(judgeSpeed({ ...accepted, verdict: 'unjudged' }, [rounds(50, () => 1000), rounds(50, () => 500)]), { verdict: 'unjudged' })
  t.match(judgeSpeed({ ...accepted, verdict: 'refused', sentence: 'bad' }, [rounds(50, () => 1000), rounds(50, () => 1200)]), {
    sentence: /^bad; and int8 is not/,
  })
})
