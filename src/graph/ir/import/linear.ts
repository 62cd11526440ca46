import { type Attribute, float, int, ints, isOp, string } from '../../node.js'
import { dtypes } from '../../tensor/dtype.js'
import { constant, constantData } from '../../tensor/tensor.js'
import type { ImportCall, ImportLayer } from './import-call.js'

const autoPads: Readonly<Record<string, string>> = {
  explicit: 'NOTSET',
  valid: 'VALID',
  same_upper: 'SAME_UPPER',
  same_lower: 'SAME_LOWER',
}

/** Attributes that convolutions and poolings share. */
function windowAttributes(call: ImportCall): Record<string, Attribute> {
  const auto = autoPads[call.text('auto_pad', 'explicit')] ?? 'NOTSET'
  return {
    strides: ints(call.list('strides')),
    ...(auto === 'NOTSET' ? { pads: ints([...call.list('pads_begin'), ...call.list('pads_end')]) } : { auto_pad: string(auto) }),
  }
}

/** [groups, outputs / groups, ...] back to [outputs, ...]; what stands before a computed weight (its quantizer) keeps its axes, unless only a Reshape is between. */
function ungrouped(call: ImportCall): { readonly weight: string; readonly groups: number } | undefined {
  const tensor = call.constant(1)
  const before = call.builder.producer(call.inputs[1]!)
  const target = isOp(before, 'Reshape') ? call.builder.constant(before.inputs[1]!) : undefined
  const sizes = target === undefined ? (tensor?.shape ?? call.dims(1)) : Array.from(constantData(target) as BigInt64Array, Number)
  const [groups, first, ...rest] = sizes as readonly [number, number, ...number[]]
  if (!(groups > 0 && first > 0)) return undefined
  if (target !== undefined) return { weight: before!.inputs[0]!, groups }
  const shape = [groups * first, ...rest]
  const name = `${call.layer.name}/weight`
  const weight =
    tensor === undefined
      ? call.add('Reshape', [call.inputs[1]!, call.int64s('shape', shape)])
      : call.builder.addConstant(name, { ...tensor, shape })
  return { weight, groups }
}

const convolution =
  (opType: 'Conv' | 'ConvTranspose', kind: 'plain' | 'grouped'): ImportLayer =>
  call => {
    if (call.inputs.length > 2) return false
    const grouped = kind === 'grouped' ? ungrouped(call) : { weight: call.inputs[1]!, groups: 1 }
    if (grouped === undefined) return false
    const padding = call.list('output_padding')
    call.result(opType, [call.inputs[0]!, grouped.weight], {
      ...windowAttributes(call),
      dilations: ints(call.list('dilations')),
      group: int(grouped.groups),
      ...(opType === 'ConvTranspose' && padding.some(size => size !== 0) ? { output_padding: ints(padding) } : {}),
    })
    return true
  }

function matMul(call: ImportCall): boolean {
  const turned = (index: number, flag: string) => {
    if (!call.flag(flag, false)) return call.inputs[index]!
    const rank = call.constant(index)?.shape.length ?? call.dims(index).length
    if (rank < 2) return undefined
    const order = Array.from({ length: rank }, (_, axis) => axis)
    return call.add('Transpose', [call.inputs[index]!], { perm: ints([...order.slice(0, -2), rank - 1, rank - 2]) })
  }
  const [a, b] = [turned(0, 'transpose_a'), turned(1, 'transpose_b')]
  if (a === undefined || b === undefined) return false
  call.result('MatMul', [a, b])
  return true
}

const pooling =
  (opType: 'AveragePool' | 'MaxPool'): ImportLayer =>
  call => {
    // The second output of MaxPool are indices, counted otherwise than in ONNX.
    if (call.isRead(1)) return false
    const dilations = call.list('dilations')
    call.result(opType, call.inputs, {
      ...(dilations.some(step => step !== 1) ? { dilations: ints(dilations) } : {}),
      ...windowAttributes(call),
      kernel_shape: ints(call.list('kernel')),
      ceil_mode: int(call.text('rounding_type', 'floor') === 'floor' ? 0 : 1),
      ...(opType === 'AveragePool' ? { count_include_pad: int(call.flag('exclude-pad', true) ? 0 : 1) } : {}),
    })
    return true
  }

/** @param axes `input`: what ai.onnx 17 takes as an input */
const reduce =
  (opType: string, axes: 'attribute' | 'input' = 'attribute'): ImportLayer =>
  call => {
    const values = call.numbers(1)
    if (values === undefined) return false
    const keepdims = int(call.flag('keep_dims', false) ? 1 : 0)
    if (axes === 'input') call.result(opType, [call.inputs[0]!, call.int64s('axes', values)], { keepdims })
    else call.result(opType, [call.inputs[0]!], { keepdims, axes: ints(values) })
    return true
  }

/** The first set of operators had the data third. */
function batchNormalization(call: ImportCall): boolean {
  const [first, second, third, ...moments] = call.inputs as readonly [string, string, string, ...string[]]
  const inputs = call.layer.opset === 'opset1' ? [third, first, second, ...moments] : call.inputs
  call.result('BatchNormalization', inputs, { epsilon: float(call.number('epsilon', call.number('eps', 1e-5))) })
  return true
}

/** MVN over the last axes is LayerNormalization with scale 1; float32 all through. */
function mvn(call: ImportCall): boolean {
  const axes = call.numbers(1)
  const dims = call.dims(0)
  if (
    axes === undefined ||
    dims.length === 0 ||
    !call.flag('normalize_variance', true) ||
    call.text('eps_mode').toLowerCase() !== 'inside_sqrt'
  )
    return false
  const positive = axes.map(axis => (axis < 0 ? axis + dims.length : axis)).sort((a, b) => a - b)
  const first = dims.length - positive.length
  const sizes = positive.map(axis => dims[axis]!)
  if (positive.some((axis, at) => axis !== first + at)) return false
  if (sizes.some(size => size < 1)) return normalizedInPieces(call, axes)
  const count = sizes.reduce((product, size) => product * size, 1)
  const ones = { dtype: 'float32', shape: sizes, bytes: new Uint8Array(new dtypes.float32.array(count).fill(1).buffer) } as const
  call.result('LayerNormalization', [call.inputs[0]!, call.builder.addConstant(`${call.layer.name}/scale`, ones)], {
    axis: int(first),
    epsilon: float(call.number('eps', 1e-5)),
  })
  return true
}

/** Where the size of the axes is free, no scale of ones can be written down: mean, difference, variance, root, quotient. */
function normalizedInPieces(call: ImportCall, axes: readonly number[]): boolean {
  const number = (name: string, value: number) =>
    call.builder.addConstant(`${call.layer.name}/${name}`, constant('float32', [], Float32Array.of(value)))
  const mean = (value: string) => call.add('ReduceMean', [value], { axes: ints(axes), keepdims: int(1) })
  const x = call.inputs[0]!
  const centred = call.add('Sub', [x, mean(x)])
  const variance = mean(call.add('Pow', [centred, number('two', 2)]))
  const deviation = call.add('Sqrt', [call.add('Add', [variance, number('eps', call.number('eps', 1e-5))])])
  call.result('Div', [centred, deviation])
  return true
}

/** Convolutions, matrix products, poolings, sums and normalizations over axes. */
export const linearImports: Readonly<Record<string, ImportLayer>> = {
  Convolution: convolution('Conv', 'plain'),
  GroupConvolution: convolution('Conv', 'grouped'),
  ConvolutionBackpropData: convolution('ConvTranspose', 'plain'),
  GroupConvolutionBackpropData: convolution('ConvTranspose', 'grouped'),
  MatMul: matMul,
  AvgPool: pooling('AveragePool'),
  MaxPool: pooling('MaxPool'),
  ReduceL2: reduce('ReduceL2'),
  ReduceMax: reduce('ReduceMax'),
  ReduceMean: reduce('ReduceMean'),
  ReduceMin: reduce('ReduceMin'),
  ReduceProd: reduce('ReduceProd'),
  ReduceSum: reduce('ReduceSum', 'input'),
  BatchNormInference: batchNormalization,
  MVN: mvn,
  SoftMax: call => {
    call.result('Softmax', call.inputs, { axis: int(call.number('axis', 1)) })
    return true
  },
}
