import { test } from 'tap'
import { FairQueue, type Queued } from '../../../src/gateway/serving/fair-queue.js'

interface Item extends Queued {
  readonly name: string
}
const item = (name: string, flow: string, priority: Queued['priority'] = 1): Item => ({ name, flow, priority, bytes: 10 })
const any = () => true

function drain(queue: FairQueue<Item>, ready: (item: Item) => boolean = any): string[] {
  const names: string[] = []
  for (let next = queue.take(ready); next !== undefined; next = queue.take(ready)) names.push(next.name)
  return names
}

test('callers take turns, whoever came first, and each keeps its own order', async t => {
  const queue = new FairQueue<Item>()
  for (const name of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) queue.push(item(name, name[0]!))
  t.same([queue.size, queue.bytes], [6, 60])
  t.same(drain(queue), ['a1', 'b1', 'c1', 'a2', 'c2', 'a3'])
  t.same([queue.size, queue.bytes], [0, 0])
})

test('a higher priority goes first, also of the same caller', async t => {
  const queue = new FairQueue<Item>()
  queue.push(item('low', 'a', 0))
  queue.push(item('normal', 'a', 1))
  queue.push(item('urgent', 'a', 3))
  queue.push(item('high', 'b', 2))
  t.same(drain(queue), ['urgent', 'high', 'normal', 'low'])
})

test('what may not start yet is passed over and keeps its place', async t => {
  const queue = new FairQueue<Item>()
  for (const name of ['a1', 'b1', 'a2']) queue.push(item(name, name[0]!))
  t.same(
    drain(queue, ({ flow }) => flow === 'b'),
    ['b1'],
  )
  t.same(drain(queue), ['a1', 'a2'])
})

test('removing takes from anywhere and keeps size and bytes right', async t => {
  const queue = new FairQueue<Item>()
  for (const name of ['a1', 'a2', 'b1', 'b2']) queue.push(item(name, name[0]!, name === 'b2' ? 3 : 1))
  t.same(
    queue
      .remove(({ name }) => name.endsWith('2'))
      .map(({ name }) => name)
      .sort(),
    ['a2', 'b2'],
  )
  t.same([queue.size, queue.bytes], [2, 20])
  t.same(drain(queue), ['a1', 'b1'])
})
