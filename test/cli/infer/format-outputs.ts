import { test } from 'tap'
import { formatOutputs } from '../../../src/cli/infer/format-outputs.js'
import { stackOutputs } from '../../../src/cli/infer/infer.js'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'

const scores: Tensor = { dtype: 'float32', shape: [1, 4], data: Float32Array.of(0.25, 3, -1, 3) }

test('the best classes come first, ties in their order, named where names are known', async t => {
  const text = formatOutputs({ logits: scores }, { classes: ['cat', 'dog', 'cow'], top: 3 })
  t.match(text, /logits float32\[1,4\]\n +3 +dog\n +3 +class 3\n +0\.25000 +cat\n$/)
})

test('an output that is no row of scores shows its first values', async t => {
  const boxes: Tensor = { dtype: 'int64', shape: [5, 2], data: BigInt64Array.from({ length: 10 }, (_, index) => BigInt(index)) }
  t.match(formatOutputs({ boxes }, { classes: undefined, top: 5 }), 'boxes int64[5,2]  0, 1, 2, 3, 4, 5, 6, 7, …')
})

test('answers are stacked along the first axis, unequal ones refused', async t => {
  const answer = (tensor: Tensor) => ({ input: 'x', outputs: { logits: tensor } })
  const { logits } = stackOutputs([answer(scores), answer(scores)])
  t.same(logits?.shape, [2, 4])
  t.same(Array.from((logits as Tensor).data as Float32Array), [0.25, 3, -1, 3, 0.25, 3, -1, 3])
  t.throws(() => stackOutputs([answer(scores), answer({ ...scores, shape: [4] })]), { code: 'ERR_CLI_ANSWER' })
})
