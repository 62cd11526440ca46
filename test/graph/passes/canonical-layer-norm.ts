import { test } from 'tap'
import { ints, type Node } from '../../../src/graph/node.js'
import { canonicalLayerNorm } from '../../../src/graph/passes/canonical-layer-norm.js'
import { f32, op, seeded } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

const constants = { two: f32([], [2]), three: f32([], [3]), eps: f32([], [1e-5]), g: seeded([8], 2), b: seeded([8], 3), s: seeded([1], 4) }
const shape = ['N', 5, 8]

/** The chain with some of its nodes, by name, replaced. */
function chain(changed: Record<string, Node> = {}, axis = -1): Node[] {
  const nodes = [
    op('ReduceMean', ['x'], 'm', { axes: ints([axis]) }),
    op('Sub', ['x', 'm'], 'd'),
    op('Pow', ['d', 'two'], 'p'),
    op('ReduceMean', ['p'], 'v', { axes: ints([axis]) }),
    op('Add', ['v', 'eps'], 'e'),
    op('Sqrt', ['e'], 'r'),
    op('Div', ['d', 'r'], 'n'),
    op('Mul', ['n', 'g'], 'k'),
    op('Add', ['k', 'b'], 'y'),
  ]
  return nodes.map(node => changed[node.name] ?? node)
}

test('the chain becomes one node, in the forms that exporters write', async t => {
  const cases = {
    plain: chain(),
    'axis from the front': chain({}, 2),
    'square as product': chain({ p: op('Mul', ['d', 'd'], 'p') }),
    'constants first': chain({ e: op('Add', ['eps', 'v'], 'e'), k: op('Mul', ['g', 'n'], 'k'), y: op('Add', ['b', 'k'], 'y') }),
  }
  for (const [title, nodes] of Object.entries(cases)) {
    t.same(
      opTypes(await assertRewritten(t, canonicalLayerNorm, { title, changes: 1, shape, constants, nodes })),
      ['LayerNormalization'],
      title,
    )
  }
})

test('other axes, powers, vectors and readers keep the chain', async t => {
  const cases = {
    'axis 1': chain({}, 1),
    cube: chain({ p: op('Pow', ['d', 'three'], 'p'), r: op('Exp', ['e'], 'r') }),
    'one factor': chain({ k: op('Mul', ['n', 's'], 'k') }),
    'difference read': [...chain({ y: op('Add', ['k', 'b'], 'z') }), op('Add', ['z', 'd'], 'y')],
    'another difference': chain({ d: op('Sub', ['x', 'b'], 'd') }).filter(({ name }) => name !== 'm'),
  }
  for (const [title, nodes] of Object.entries(cases))
    await assertRewritten(t, canonicalLayerNorm, { title, changes: 0, shape, constants, nodes })
})
