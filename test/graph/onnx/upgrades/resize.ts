import { test } from 'tap'
import { type Attribute, float, string } from '../../../../src/graph/node.js'
import { liftOpset } from '../../../../src/graph/onnx/lift.js'
import { buildModel, f32, i64, op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

const scales = (...value: number[]): Attribute => ({ kind: 'floats', value })

test('upsampling by attribute, by input and by Resize-10 gives the same pixels', async t => {
  for (const mode of ['nearest', 'linear']) {
    for (const values of [
      [1, 1, 2, 2],
      [1, 1, 1.5, 2.6],
      [1, 1, 3, 1],
    ]) {
      const title = `${mode} ${values}`
      await assertLifted(t, `Upsample-7 ${title}`, {
        opset: 7,
        nodes: [op('Upsample', ['x'], 'y', { mode: string(mode), scales: scales(...values) })],
      })
      const constants = { s: f32([4], values) }
      await assertLifted(t, `Upsample-9 ${title}`, {
        opset: 9,
        constants,
        nodes: [op('Upsample', ['x', 's'], 'y', { mode: string(mode) })],
      })
      await assertLifted(t, `Resize-10 ${title}`, { opset: 10, constants, nodes: [op('Resize', ['x', 's'], 'y', { mode: string(mode) })] })
    }
  }
})

test('Resize-10 gives the same pixels when it shrinks', async t => {
  for (const mode of ['nearest', 'linear']) {
    for (const values of [
      [1, 1, 0.5, 0.5],
      [1, 1, 0.6, 0.4],
      [1, 1, 1, 0.7],
    ]) {
      const nodes = [op('Resize', ['x', 's'], 'y', { mode: string(mode) })]
      await assertLifted(t, `${mode} ${values}`, { opset: 10, shape: [1, 2, 7, 9], constants: { s: f32([4], values) }, nodes })
    }
  }
})

test('nearest that grows one axis and shrinks another is refused', async t => {
  const nodes = [op('Resize', ['x', 's'], 'y')]
  const model = buildModel({
    opset: 10,
    inputs: { x: ['float32'] },
    outputs: { y: ['float32'] },
    constants: { s: f32([4], [1, 1, 2, 0.5]) },
    nodes,
  })
  t.throws(() => liftOpset(model), { code: 'ERR_ONNX_UPGRADE' })
})

test('Resize-11 keeps its modes by name and drops empty inputs', async t => {
  const constants = { roi: f32([0], []), none: f32([0], []), s: f32([4], [1, 1, 2, 2]), sizes: i64([4], [2, 3, 7, 5]) }
  for (const mode of ['nearest', 'linear', 'cubic']) {
    for (const transformation of ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric']) {
      const attributes = { mode: string(mode), coordinate_transformation_mode: string(transformation), cubic_coeff_a: float(-0.75) }
      await assertLifted(t, `${mode} ${transformation} scales`, {
        opset: 11,
        constants,
        nodes: [op('Resize', ['x', 'roi', 's'], 'y', attributes)],
      })
      await assertLifted(t, `${mode} ${transformation} sizes`, {
        opset: 12,
        constants,
        nodes: [op('Resize', ['x', 'roi', 'none', 'sizes'], 'y', attributes)],
      })
    }
  }
})
