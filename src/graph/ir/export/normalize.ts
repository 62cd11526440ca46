import { floatAttribute, intAttribute } from '../../node.js'
import type { ExportCall, ExportOp } from './export-call.js'
import { axesOf } from './movement.js'

const broadcast = { auto_broadcast: 'numpy' } as const

/** @param since opset from which the axes are an input */
const reduce =
  (type: string, since: number): ExportOp =>
  call => {
    const { node, net } = call
    const axes = axesOf(call, since) ?? Array.from({ length: call.rank(0) }, (_, axis) => axis)
    const data = { keep_dims: intAttribute(node, 'keepdims', 1) !== 0 }
    call.result({ type, data, inputs: [call.input(0), net.int64s(`${node.name}/axes`, axes)] })
  }

/** LayerNormalization over the last axes: MVN-6, then scale and bias. */
function layerNorm(call: ExportCall): void {
  const { node, net } = call
  const rank = call.rank(0)
  const axis = intAttribute(node, 'axis', -1)
  const first = axis < 0 ? axis + rank : axis
  const axes = net.int64s(
    `${node.name}/axes`,
    Array.from({ length: rank - first }, (_, index) => first + index),
  )
  const data = { normalize_variance: true, eps: floatAttribute(node, 'epsilon', 1e-5), eps_mode: 'inside_sqrt' }
  const normal = call.add('mvn', { type: 'MVN', opset: 'opset6', data, inputs: [call.input(0), axes] })
  if (!call.has(2)) {
    call.result({ type: 'Multiply', data: broadcast, inputs: [normal, call.input(1)] })
    return
  }
  const scaled = call.add('scaled', { type: 'Multiply', data: broadcast, inputs: [normal, call.input(1)] })
  call.result({ type: 'Add', data: broadcast, inputs: [scaled, call.input(2)] })
}

/** Sums, means and normalizations over axes. */
export const normalizeExports: Readonly<Record<string, ExportOp>> = {
  BatchNormalization: call =>
    call.result({
      type: 'BatchNormInference',
      opset: 'opset5',
      data: { epsilon: floatAttribute(call.node, 'epsilon', 1e-5) },
      inputs: [0, 1, 2, 3, 4].map(index => call.input(index)),
    }),
  LayerNormalization: layerNorm,
  LogSoftmax: call =>
    call.result({ type: 'LogSoftmax', opset: 'opset5', data: { axis: intAttribute(call.node, 'axis', -1) }, inputs: [call.input(0)] }),
  ReduceL2: reduce('ReduceL2', 18),
  ReduceMax: reduce('ReduceMax', 18),
  ReduceMean: reduce('ReduceMean', 18),
  ReduceMin: reduce('ReduceMin', 18),
  ReduceSum: reduce('ReduceSum', 13),
  Softmax: call => {
    if (call.opset < 13) throw call.refuse('Softmax before opset 13 flattens its input: lift the model first')
    call.result({ type: 'SoftMax', opset: 'opset8', data: { axis: intAttribute(call.node, 'axis', -1) }, inputs: [call.input(0)] })
  },
}
