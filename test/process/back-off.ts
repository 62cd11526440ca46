import { test } from 'tap'
import { backOffMs } from '../../src/process/back-off.js'

test('waits grow by their factor up to the ceiling, and jitter only shortens them', async t => {
  const schedule = { firstMs: 100, factor: 3, ceilingMs: 1000, jitter: 0.5 }
  t.strictSame(
    [0, 1, 2, 3, 50].map(tries => backOffMs(schedule, tries, () => 0)),
    [100, 300, 900, 1000, 1000],
  )
  t.equal(
    backOffMs(schedule, 1, () => 0.5),
    225,
  )
})
