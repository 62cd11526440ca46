import { test } from 'tap'
import { branchOf, refoldBranch, unfoldBranch } from '../../src/graph/branches.js'
import type { Model } from '../../src/graph/graph.js'
import { subgraphsOf, verifyGraph } from '../../src/graph/verify.js'
import { buildGraph, buildModel, difference, f32, floats, op, runModel, seeded } from '../fixtures/graph-builder.js'

/** If(go) with a convolution in each branch: both read `r` from around, the first also a constant from around; a sum stands behind. */
function branching(): Model {
  const thenBranch = buildGraph({
    inputs: {},
    outputs: { a: ['float32'] },
    constants: { w: seeded([4, 4, 1, 1], 1) },
    nodes: [op('Conv', ['r', 'w'], 'c'), op('Add', ['c', 'shift'], 'a')],
  })
  const elseBranch = buildGraph({
    inputs: {},
    outputs: { a: ['float32'] },
    constants: { w: seeded([4, 4, 1, 1], 2) },
    nodes: [op('Conv', ['r', 'w'], 'c'), op('Mul', ['c', 'extra'], 'a')],
  })
  return buildModel({
    inputs: { x: ['float32', ['n', 4, 5, 5]], go: ['bool', []] },
    outputs: { y: ['float32', ['n', 4, 5, 5]] },
    constants: { shift: f32([1], [0.5]) },
    nodes: [
      op('Relu', ['x'], 'r'),
      op('Neg', ['x'], 'extra'),
      op('If', ['go'], 'z', { then_branch: { kind: 'graph', value: thenBranch }, else_branch: { kind: 'graph', value: elseBranch } }),
      op('Add', ['z', 'r'], 'y'),
    ],
  })
}

const feeds = (go: boolean) => ({ x: floats([2, 4, 5, 5], 3), go: { dtype: 'bool', shape: [], data: Uint8Array.of(go ? 1 : 0) } as const })
const ifOf = ({ graph }: Model) => graph.nodes.find(({ opType }) => opType === 'If')!

for (const branch of ['then_branch', 'else_branch'] as const) {
  test(`a model whose ${branch} is unfolded answers as it does when it is taken`, async t => {
    const model = branching()
    const { model: flat } = unfoldBranch(model, ifOf(model), branch)
    verifyGraph(flat.graph)
    t.notOk(flat.graph.nodes.some(node => subgraphsOf(node).length > 0))
    const taken = feeds(branch === 'then_branch')
    t.equal(difference(await runModel(model, taken), await runModel(flat, taken)), 0)
  })

  test(`refolding gives the model back, both branches of it (${branch})`, async t => {
    const model = branching()
    const { model: flat, unfolded } = unfoldBranch(model, ifOf(model), branch)
    const whole = refoldBranch(flat, unfolded)
    verifyGraph(whole.graph)
    for (const go of [true, false]) t.equal(difference(await runModel(model, feeds(go)), await runModel(whole, feeds(go))), 0, String(go))
    const inside = [...branchOf(ifOf(whole), branch)!.initializers.keys()]
    t.equal(inside.filter(name => name !== 'shift').length, 1, 'the weights are in the branch again')
    t.ok(inside.includes('shift') !== whole.graph.initializers.has('shift'), 'what is read in one branch only goes with it')
  })
}

test('what is done to the flat model stands in the branch', async t => {
  const model = branching()
  const { model: flat, unfolded } = unfoldBranch(model, ifOf(model), 'then_branch')
  const conv = flat.graph.nodes.find(({ opType }) => opType === 'Conv')!
  const graph = flat.graph.clone()
  graph.replaceNodes([conv], [Object.freeze({ ...conv, outputs: ['half'] }), op('Neg', ['half'], conv.outputs[0]!)])
  const whole = refoldBranch({ ...flat, graph }, unfolded)
  verifyGraph(whole.graph)
  t.ok(branchOf(ifOf(whole), 'then_branch')!.nodes.some(({ opType }) => opType === 'Neg'))
  t.equal(difference(await runModel(model, feeds(false)), await runModel(whole, feeds(false))), 0)
  t.ok(difference(await runModel(model, feeds(true)), await runModel(whole, feeds(true))) > 0.01)
})

test('names that both branches have are told apart while one is unfolded', async t => {
  const model = branching()
  const { model: flat } = unfoldBranch(model, ifOf(model), 'then_branch')
  const names = flat.graph.nodes.map(({ name }) => name)
  t.equal(new Set(names).size, names.length)
  t.notOk(
    flat.graph.nodes.some(({ outputs }) => outputs.includes('c')),
    "the else branch's own 'c' stays free for it",
  )
})
