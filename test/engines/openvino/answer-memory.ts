import { test } from 'tap'
import { AnswerMemory } from '../../../src/engines/openvino/answer-memory.js'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'

const tensor = (buffer: ArrayBuffer, length = buffer.byteLength / 4): Tensor => ({
  dtype: 'float32',
  shape: [length],
  data: new Float32Array(buffer, 0, length),
})

test('memory that was given back is taken again, once, by an answer of the same size', async t => {
  const memory = new AnswerMemory()
  const first = memory.take(100_000)
  t.equal(first.byteLength, 100_000)
  memory.give([tensor(first), tensor(first)])
  t.not(memory.take(100_004), first)
  t.equal(memory.take(100_000), first)
  t.not(memory.take(100_000), first)
})

test('parts of a piece and small pieces are not kept, and no more than a few', async t => {
  const memory = new AnswerMemory()
  const whole = memory.take(200_000)
  const small = memory.take(400)
  memory.give([tensor(whole, 25_000), tensor(small)])
  t.not(memory.take(100_000), whole)
  t.not(memory.take(200_000), whole)
  t.not(memory.take(400), small)
  const many = Array.from({ length: 12 }, () => memory.take(100_000))
  memory.give(many.map(piece => tensor(piece)))
  const again = new Set(many.map(() => memory.take(100_000)))
  t.equal(many.filter(piece => again.has(piece)).length, 8)
})
