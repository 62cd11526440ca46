import { test } from 'tap'
import { cer } from '../../../src/quantization/accuracy/cer.js'

const alphabet = ['', 'a', 'b', ' ']
const line = (...classes: number[]) =>
  ({
    dtype: 'float32',
    shape: [1, classes.length, 4],
    data: Float32Array.from(classes.flatMap(best => [0, 1, 2, 3].map(index => (index === best ? 1 : 0)))),
  }) as const

test('edits are counted over the characters of all lines', async t => {
  const tally = cer.start()
  const add = (label: string, ...classes: number[]) => tally.add({ output: line(...classes), float: line(0), label, alphabet })
  t.equal(tally.value(), 0)
  t.equal(add('abab', 1, 2, 1, 2), 0)
  t.equal(add(' ab ', 1, 2, 3), 0, 'ends are trimmed')
  t.equal(add('ab', 1, 0, 1), 0.5, "'aa' for 'ab': one edit in two characters")
  t.equal(add('', 1, 2), 2, 'two characters too many, over one at least')
  t.equal(tally.value(), 3 / 8)
})

test('without a label float is the truth', async t => {
  const tally = cer.start()
  t.equal(tally.add({ output: line(1, 2), float: line(1, 2, 1, 2), label: undefined, alphabet }), 0.5)
  t.equal(tally.value(), 0.5)
})
