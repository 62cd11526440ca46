import { test } from 'tap'
import { type Attribute, int, ints, string } from '../../../src/graph/node.js'
import { fusePad } from '../../../src/graph/passes/fuse-pad.js'
import { f32, i64, op, seeded } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

const constants = {
  w: seeded([4, 3, 3, 3]),
  pads: i64([8], [0, 0, 0, 1, 0, 0, 2, 1]),
  channels: i64([8], [0, 1, 0, 0, 0, 0, 0, 0]),
  crop: i64([8], [0, 0, 0, -1, 0, 0, 0, 0]),
  zero: f32([], [0]),
  two: f32([], [2]),
}
const kernel = { kernel_shape: ints([3, 3]) }

test('zeros in front of a convolution or a pool become its pads', async t => {
  const cases: [string, readonly string[], string, Record<string, Attribute>][] = [
    ['conv', ['x', 'pads'], 'Conv', {}],
    ['conv with pads of its own', ['x', 'pads', 'zero'], 'Conv', { pads: ints([1, 0, 1, 0]), strides: ints([2, 2]) }],
    ['conv, valid', ['x', 'pads'], 'Conv', { auto_pad: string('VALID') }],
    ['average', ['x', 'pads'], 'AveragePool', kernel],
  ]
  for (const [title, inputs, name, attributes] of cases) {
    const nodes = [op('Pad', inputs, 'p'), op(name, name === 'Conv' ? ['p', 'w'] : ['p'], 'y', attributes)]
    const graph = await assertRewritten(t, fusePad, { title, changes: 1, constants, nodes })
    t.same(opTypes(graph), [name], title)
  }
})

test('in front of a maximum only where nothing is negative', async t => {
  const behind = (name: string) => [op(name, ['x'], 'r'), op('Pad', ['r', 'pads'], 'p'), op('MaxPool', ['p'], 'y', kernel)]
  await assertRewritten(t, fusePad, { title: 'Relu', changes: 1, constants, nodes: behind('Relu') })
  await assertRewritten(t, fusePad, { title: 'Tanh', changes: 0, constants, nodes: behind('Tanh') })
})

test('other fillers, modes, axes and pools that would count differently stay', async t => {
  const same = { auto_pad: string('SAME_UPPER') }
  const cases: [string, readonly string[], Record<string, Attribute>, string, Record<string, Attribute>][] = [
    ['value 2', ['x', 'pads', 'two'], {}, 'Conv', {}],
    ['edge', ['x', 'pads'], { mode: string('edge') }, 'Conv', {}],
    ['crop', ['x', 'crop'], {}, 'Conv', {}],
    ['same', ['x', 'pads'], {}, 'Conv', same],
    ['average with pads', ['x', 'pads'], {}, 'AveragePool', { ...kernel, pads: ints([1, 1, 1, 1]) }],
    ['average, ceil', ['x', 'pads'], {}, 'AveragePool', { ...kernel, ceil_mode: int(1), strides: ints([2, 2]) }],
    ['average, small', ['x', 'pads'], {}, 'AveragePool', { kernel_shape: ints([2, 2]) }],
  ]
  for (const [title, inputs, padding, name, attributes] of cases) {
    const nodes = [op('Pad', inputs, 'p', padding), op(name, name === 'Conv' ? ['p', 'w'] : ['p'], 'y', attributes)]
    await assertRewritten(t, fusePad, { title, changes: 0, constants, nodes })
  }
  const deep = { ...constants, w: seeded([4, 4, 3, 3]) }
  await assertRewritten(t, fusePad, {
    title: 'channels',
    changes: 0,
    constants: deep,
    nodes: [op('Pad', ['x', 'channels'], 'p'), op('Conv', ['p', 'w'], 'y')],
  })
})

test('a padding that something else reads stays beside the convolution that took it in', async t => {
  const nodes = [op('Pad', ['x', 'pads'], 'p'), op('Conv', ['p', 'w'], 'y'), op('Relu', ['p'], 'z')]
  const outputs = { y: ['float32'], z: ['float32'] } as const
  const graph = await assertRewritten(t, fusePad, { title: 'two readers', changes: 1, constants, outputs, nodes })
  t.same(opTypes(graph), ['Pad', 'Conv', 'Relu'])
})
