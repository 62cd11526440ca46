import { test } from 'tap'
import type { Session } from '../../../src/engines/engine.js'
import { InferenceQueue } from '../../../src/engines/worker/inference-queue.js'
import { QuantdError } from '../../../src/errors.js'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'

const x = (values: readonly number[]): Tensor => ({ dtype: 'float32', shape: [values.length, 1], data: Float32Array.from(values) })

/** Doubles; notes the batch of each inference; refuses 13; is not re-entrant and says so. */
function doubler({ follows = true } = {}): { session: Session; batches: number[] } {
  const batches: number[] = []
  let running = false
  const session: Session = {
    inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 1] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 1] }],
    infer: async feeds => {
      if (running) throw new Error('entered twice')
      running = true
      await new Promise(setImmediate)
      running = false
      const data = feeds.x?.data as Float32Array
      batches.push(data.length)
      if (data.includes(13)) throw new QuantdError('ERR_ENGINE_INFER', 'unlucky')
      const doubled = data.map(value => value * 2)
      return {
        y: follows
          ? { dtype: 'float32', shape: [data.length, 1], data: doubled }
          : { dtype: 'float32', shape: [1, data.length], data: doubled },
      }
    },
    close: async () => {},
  }
  return { session, batches }
}

const values = (outputs: Readonly<Record<string, Tensor>>) => [...(outputs.y?.data ?? [])].map(Number)

test('inferences of one session never overlap and keep their order', async t => {
  const { session, batches } = doubler()
  const queue = new InferenceQueue(session, 1)
  const order: number[] = []
  const all = [1, 2, 3].map(async value => {
    const { outputs, batched } = await queue.infer({ x: x([value]) }, ['y'])
    order.push(value)
    return [...values(outputs), batched]
  })
  t.equal(queue.length, 3)
  t.strictSame(await Promise.all(all), [
    [2, 1],
    [4, 1],
    [6, 1],
  ])
  t.strictSame(order, [1, 2, 3])
  t.strictSame(batches, [1, 1, 1])
  t.equal(queue.length, 0)
})

test('what waits shares the next inference, up to the allowed batch, each getting its own rows', async t => {
  const { session, batches } = doubler()
  const queue = new InferenceQueue(session, 4)
  const requests = [[1], [2, 3], [4], [5, 6, 7, 8], [9]]
  const answers = await Promise.all(requests.map(request => queue.infer({ x: x(request) }, ['y'])))
  t.strictSame(
    answers.map(({ outputs }) => values(outputs)),
    requests.map(request => request.map(value => value * 2)),
  )
  t.strictSame(
    answers.map(({ batched }) => batched),
    [3, 3, 3, 1, 1],
  )
  t.strictSame(batches, [4, 4, 1])
})

test('one request that fails does not fail its companions', async t => {
  const { session } = doubler()
  const queue = new InferenceQueue(session, 8)
  const [good, bad, other] = await Promise.allSettled([[1], [13], [2]].map(request => queue.infer({ x: x(request) }, ['y'])))
  t.match(good, { status: 'fulfilled' })
  t.match(bad, { status: 'rejected', reason: { code: 'ERR_ENGINE_INFER' } })
  t.match(other, { status: 'fulfilled' })
})

test('a model whose outputs do not follow the batch is run one by one from then on', async t => {
  const { session, batches } = doubler({ follows: false })
  const queue = new InferenceQueue(session, 4)
  const answers = await Promise.all([[1], [2]].map(request => queue.infer({ x: x(request) }, ['y'])))
  t.strictSame(
    answers.map(({ outputs }) => values(outputs)),
    [[2], [4]],
  )
  await Promise.all([[1], [2]].map(request => queue.infer({ x: x(request) }, ['y'])))
  t.strictSame(batches, [2, 1, 1, 1, 1])
})

test('exclusive work runs between inferences, and its failure is its own', async t => {
  const { session, batches } = doubler()
  const queue = new InferenceQueue(session, 4)
  const before = queue.infer({ x: x([1]) }, ['y'])
  const exclusive = queue.exclusive(async () => {
    t.strictSame(batches, [1])
    await session.infer({ x: x([1, 1]) })
    throw new QuantdError('ERR_ABORTED', 'enough')
  })
  const after = queue.infer({ x: x([3]) }, ['y'])
  await before
  await t.rejects(exclusive, { code: 'ERR_ABORTED' })
  t.strictSame(values((await after).outputs), [6])
  t.strictSame(batches, [1, 2, 1])
})

test('a session that runs two side by side gets two at a time, exclusive work none beside it', async t => {
  let now = 0
  const most: number[] = []
  const session: Session = {
    ...doubler().session,
    parallel: 2,
    infer: async ({ x: fed = x([]) }) => {
      now += 1
      most.push(now)
      await new Promise(setImmediate)
      now -= 1
      if ((fed.data as Float32Array).includes(13)) throw new QuantdError('ERR_ENGINE_INFER', 'unlucky')
      return { y: fed }
    },
  }
  const queue = new InferenceQueue(session, 1)
  const ask = (value: number) => queue.infer({ x: x([value]) }, ['y'])
  const before = [1, 13, 3].map(ask)
  const exclusive = queue.exclusive(async () => {
    await new Promise(setImmediate)
    t.equal(now, 0)
  })
  const after = [4, 5, 6].map(ask)
  t.equal(queue.length, 7)
  const [settled] = await Promise.all([Promise.allSettled([...before, ...after]), exclusive])
  t.same(
    settled.map(outcome => (outcome.status === 'fulfilled' ? values(outcome.value.outputs) : 'refused')),
    [[1], 'refused', [3], [4], [5], [6]],
  )
  t.equal(Math.max(...most), 2)
  t.equal(queue.length, 0)
})
