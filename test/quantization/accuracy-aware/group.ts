import { test } from 'tap'
import type { Model } from '../../../src/graph/graph.js'
import { int } from '../../../src/graph/node.js'
import { groupsOf } from '../../../src/quantization/accuracy-aware/group.js'
import { buildModel, op, seeded } from '../../fixtures/graph-builder.js'
import { placed } from '../../fixtures/quantization/quantized.js'
import { attentionNet, depthwiseNet, residualNet, seededInputs, squeezeNet } from '../../fixtures/quantization/small-models.js'

/** Two convolutions whose results are concatenated in front of a third, and read by a fourth. */
const concatNet = (): Model =>
  buildModel({
    inputs: { x: ['float32', ['n', 4, 8, 8]] },
    outputs: { y: ['float32', ['n', 4, 8, 8]], z: ['float32', ['n', 4, 8, 8]] },
    constants: { w1: seeded([4, 4, 1, 1], 1), w2: seeded([4, 4, 1, 1], 2), w3: seeded([4, 8, 1, 1], 3), w4: seeded([4, 4, 1, 1], 4) },
    nodes: [
      op('Conv', ['x', 'w1'], 'a'),
      op('Conv', ['x', 'w2'], 'b'),
      op('Concat', ['a', 'b'], 'c', { axis: int(1) }),
      op('Conv', ['c', 'w3'], 'y'),
      op('Conv', ['b', 'w4'], 'z'),
    ],
  })

const nets = { residualNet, depthwiseNet, squeezeNet, attentionNet, concatNet }

test('reverting a group takes the quantizer away that it was found by, in every placement', async t => {
  for (const [name, net] of Object.entries(nets)) {
    const model = net()
    const inputs = seededInputs(model, 1)
    const groups = groupsOf((await placed(model, inputs)).placement)
    t.ok(
      groups.some(({ value }) => value !== undefined),
      name,
    )
    for (const { nodes, value } of groups) {
      const { placement } = await placed(model, inputs, new Map(nodes.map(node => [node, 'group'])))
      const int8 = placement.layers.filter(({ state }) => state === 'int8').map(({ node }) => node.name)
      t.same(
        nodes.filter(node => int8.includes(node)),
        [],
        `${name}: ${nodes.join()} are float`,
      )
      if (value === undefined) continue
      const left = [...placement.quantizers.values()].filter(({ root }) => root === value)
      t.same(left, [], `${name}: no quantizer of '${value}' is left when ${nodes.join()} are float`)
    }
  }
})

test('every product and the surroundings of every quantizer can be reverted, each set of nodes once, those at the end first', async t => {
  const groups = async (net: () => Model) => {
    const model = net()
    return groupsOf((await placed(model, seededInputs(model, 1))).placement).map(({ nodes, value }) => `${nodes.join()} ${value ?? '-'}`)
  }
  t.same(await groups(residualNet), ['y -', 'p,y p', 'c2,s c2', 'c1,c2,s r1', 'c2 -', 'c1 x'])
  t.same(await groups(attentionNet), ['om mixed', 'mixed vb', 'scores qb', 'vm -', 'qm,km,vm x', 'km -', 'qm -'])
})
