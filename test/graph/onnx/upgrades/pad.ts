import { test } from 'tap'
import { float, int, ints, string } from '../../../../src/graph/node.js'
import { op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

const pads = ints([0, 0, 1, 0, 0, 0, 0, 2])

test('padding keeps its mode, sizes and value', async t => {
  await assertLifted(t, 'default', { opset: 7, nodes: [op('Pad', ['x'], 'y', { pads })] })
  await assertLifted(t, 'value', { opset: 9, nodes: [op('Pad', ['x'], 'y', { pads, value: float(1.5), mode: string('constant') })] })
  for (const mode of ['edge', 'reflect']) {
    await assertLifted(t, mode, { opset: 10, nodes: [op('Pad', ['x'], 'y', { pads, mode: string(mode), value: float(7) })] })
  }
  await assertLifted(t, 'crop', { opset: 10, nodes: [op('Pad', ['x'], 'y', { pads: ints([0, 0, -1, 0, 0, 0, 0, -1]) })] })
})

test('the value takes the type of the data', async t => {
  await assertLifted(t, 'float64', {
    opset: 10,
    nodes: [
      op('Cast', ['x'], 'd', { to: int(11) }),
      op('Pad', ['d'], 'p', { pads, value: float(2.5) }),
      op('Cast', ['p'], 'y', { to: int(1) }),
    ],
  })
})
