import { test } from 'tap'
import { editDistance } from '../../../src/quantization/accuracy/edit-distance.js'

test('the distance counts insertions, deletions and substitutions', async t => {
  for (const [a, b, wanted] of [
    ['kitten', 'sitting', 3],
    ['', 'abc', 3],
    ['abc', '', 3],
    ['same', 'same', 0],
    ['ab', 'ba', 2],
  ] as const) {
    t.equal(editDistance(a, b), wanted, `${a} -> ${b}`)
  }
})
