import { test } from 'tap'
import { checkAnswer } from '../../../src/gateway/models/golden-check.js'

const json = (...outputs: object[]) => ({ contentType: 'application/json' as const, body: Buffer.from(JSON.stringify({ outputs })) })
const logits = (data: unknown[], shape = [1, data.length]) => ({ name: 'logits', datatype: 'FP32', shape, data })

test('an answer of the same form passes, whatever its numbers', async t => {
  t.doesNotThrow(() => checkAnswer(json(logits([1, 2, 3])), json(logits([3, -2, 0.5]))))
  t.doesNotThrow(() => checkAnswer(json(logits([[1, 2]], [1, 2])), json(logits([[3, 4]], [1, 2]))))
})

test('other outputs, other shapes and new numbers that are not finite are refused by name', async t => {
  const reference = json(logits([1, 2, 3]))
  for (const [found, what] of [
    [json({ ...logits([1, 2, 3]), name: 'scores' }), /outputs are scores, expected logits/],
    [json(logits([1, 2, 3]), logits([1])), /outputs are logits, logits/],
    [json(logits([1, 2])), /\[1,2\], expected \[1,3\]/],
    [json(logits([1, null, 3])), /1 numbers that are not finite, expected 0/],
    [json(logits([1, 'NaN', 3])), /1 numbers/],
  ] as const) {
    t.throws(() => checkAnswer(reference, found), { code: 'ERR_MODEL_ANSWER', message: what })
  }
})

test('numbers that float could not give either are no fault of int8', async t => {
  t.doesNotThrow(() => checkAnswer(json(logits([1, null, 3])), json(logits([null, 2, 3]))))
})

test('of a binary answer the head alone is read', async t => {
  const head = JSON.stringify({ outputs: [{ name: 'logits', shape: [1, 2], parameters: { binary_data_size: 8 } }] })
  const binary = (bytes: number[]) => ({
    contentType: 'application/vnd.oip.v2+octet-stream' as const,
    jsonLength: head.length,
    body: Buffer.concat([Buffer.from(head), Buffer.from(bytes)]),
  })
  t.doesNotThrow(() => checkAnswer(binary([0, 0, 0, 0, 0, 0, 0, 0]), binary([255, 255, 255, 255, 1, 2, 3, 4])))
})
