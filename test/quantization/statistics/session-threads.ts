import { test } from 'tap'
import { sessionThreads } from '../../../src/quantization/statistics/session-threads.js'

test('a small model is observed on one thread, a large one on all that there are', async t => {
  const shapes = (count: number) => new Map(Array.from({ length: count }, (_, i): [string, number[]] => [`v${i}`, [1, 16, 256, 256]]))
  t.equal(sessionThreads(shapes(4), 4), 1)
  t.equal(sessionThreads(shapes(5), 4), 4, 'more than four million elements')
  t.equal(sessionThreads(shapes(5), 1), 1)
})
