import { test } from 'tap'
import { type Demand, demandsHold, lossOf, worstDemand } from '../../../src/quantization/accuracy-aware/demand.js'
import { heldDemands } from '../../../src/quantization/accuracy-aware/held-demands.js'
import { floats } from '../../fixtures/graph-builder.js'

const share = (maxDrop: number, drop: Demand['drop'] = 'absolute'): Demand => ({ name: 'top1', kind: 'share', maxDrop, drop })
const error = (maxDrop: number): Demand => ({ name: 'rmse', kind: 'error', maxDrop, drop: 'absolute' })

test('drops are differences or shares of float, of errors always shares, and what gained lost less than nothing', async t => {
  for (const [demand, float, int8, wanted] of [
    [share(0.01), 0.9, 0.8, 0.1],
    [share(0.01, 'relative'), 0.8, 0.6, 0.25],
    [share(0.01), 0.8, 0.9, -0.1],
    [error(0.01), 0.5, 0.6, 0.2],
  ] as const)
    t.ok(Math.abs(lossOf(demand, float, int8) - wanted) < 1e-12, `${demand.kind} ${demand.drop}: ${float} -> ${int8}`)
})

test('every demand must hold, to the last bit of a sum', async t => {
  const compared = { demands: [share(0.1), error(0.1)], float: [0.9, 0.5] }
  t.ok(demandsHold(compared, [0.9 - 0.1, 0.55]))
  t.notOk(demandsHold(compared, [0.79, 0.5]))
  t.notOk(demandsHold(compared, [0.9, 0.56]))
})

test('the demand that is missed by the largest share of float is the one to optimise', async t => {
  const compared = { demands: [share(0.01), { ...share(0.01), name: 'map' }, error(0.05)], float: [0.9, 0.3, 1] }
  t.equal(worstDemand(compared, [0.87, 0.28, 1.02]).at, 1, '0.02 / 0.9 against 0.01 / 0.3')
  t.equal(worstDemand(compared, [0.9, 0.3, 1.2]).at, 2)
  t.ok(worstDemand(compared, [0.9, 0.3, 1]).excess < 0, 'all hold')
})

const output = floats([1, 4], 1)
const defaults = { metric: 'auto', max_drop: 0.01 } as const

test('where the signal alone judges, its two limits are two demands', async t => {
  const demands = heldDemands(defaults, { task: 'detection' }, { float: output, label: undefined })
  t.match(demands, [
    { name: 'signal', kind: 'rate' },
    { name: 'cosine', kind: 'share' },
  ])
  t.ok(Math.abs(demands[0]!.maxDrop - 10 ** -1.5) < 1e-12, '15 dB')
})

test('the task decides the first demand, settings add others, and what needs labels is left out where there are none', async t => {
  const metrics = [
    { name: 'topk:2', max_drop: 0.02, drop: 'relative' as const },
    { name: 'cosine', max_drop: 0.1, drop: 'absolute' as const },
  ]
  const named = (label: number | undefined) =>
    heldDemands({ ...defaults, metrics }, { task: 'classification' }, { float: output, label }).map(({ name, by, maxDrop }) => [
      name,
      by,
      maxDrop,
    ])
  t.same(named(1), [
    ['top1', 'labels', 0.01],
    ['topk:2', 'labels', 0.02],
    ['cosine', 'float', 0.1],
  ])
  t.same(named(undefined), [
    ['agreement', 'float', 0.01],
    ['cosine', 'float', 0.1],
  ])
})
