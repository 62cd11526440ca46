import { test } from 'tap'
import { decodeCtc } from '../../../src/quantization/accuracy/ctc.js'

const alphabet = ['', 'a', 'b', ' ']
const line = (...classes: number[]) =>
  ({
    dtype: 'float32',
    shape: [1, classes.length, 4],
    data: Float32Array.from(classes.flatMap(best => [0, 1, 2, 3].map(index => (index === best ? 2 : -1)))),
  }) as const

test('repeats merge, blanks part them, ends are trimmed', async t => {
  for (const [classes, wanted] of [
    [[1, 1, 2], 'ab'],
    [[1, 0, 1], 'aa'],
    [[0, 0, 0], ''],
    [[3, 1, 3, 3, 2, 3], 'a b'],
  ] as const) {
    t.equal(decodeCtc(line(...classes), alphabet), wanted, classes.join())
  }
})
