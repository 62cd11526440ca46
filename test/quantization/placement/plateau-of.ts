import { test } from 'tap'
import { float } from '../../../src/graph/node.js'
import { plateauOf } from '../../../src/quantization/placement/plateau-of.js'
import { op } from '../../fixtures/graph-builder.js'

test('activations that saturate below 0 have a plateau, others none', async t => {
  t.same(plateauOf(op('Elu', ['x'], 'y')), { plateau: -1 })
  t.same(plateauOf(op('Celu', ['x'], 'y', { alpha: float(0.5) })), { plateau: -0.5 })
  t.ok(Math.abs(plateauOf(op('Selu', ['x'], 'y')).plateau! + 1.7580993) < 1e-6)
  t.same(plateauOf(op('Relu', ['x'], 'y')), {})
  t.same(plateauOf(undefined), {})
})
