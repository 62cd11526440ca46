import { test } from 'tap'
import { text } from '../../../src/quantization/accuracy/text.js'

const alphabet = ['', 'a', 'b', ' ']
const line = (...classes: number[]) =>
  ({
    dtype: 'float32',
    shape: [1, classes.length, 4],
    data: Float32Array.from(classes.flatMap(best => [0, 1, 2, 3].map(index => (index === best ? 1 : 0)))),
  }) as const

test('a line counts when it is read as labelled, or as float reads it where there is no label', async t => {
  const output = line(1, 2, 3)
  t.equal(text.start().add({ output, float: line(2), label: ' ab', alphabet }), 1)
  t.equal(text.start().add({ output, float: output, label: 'a', alphabet }), 0)
  t.equal(text.start().add({ output, float: line(1, 2), label: undefined, alphabet }), 1)
  t.equal(text.start().add({ output, float: line(2, 1), label: undefined, alphabet }), 0)
})
