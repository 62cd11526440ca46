import { intAttribute, intsAttribute, stringAttribute } from '../../node.js'
import { dtypeFromOnnx } from '../../tensor/dtype.js'
import { elementType } from '../element-types.js'
import type { ExportCall, ExportOp } from './export-call.js'

/** Axes as an input since `since`, as an attribute before. */
export function axesOf(call: ExportCall, since: number): readonly number[] | undefined {
  return call.opset >= since ? call.numbers(1) : intsAttribute(call.node, 'axes')
}

const constants = (call: ExportCall, name: string, values: readonly number[]) => call.net.int64s(`${call.node.name}/${name}`, values)

function slice(call: ExportCall): void {
  const early = call.opset < 10
  const at = (index: number, name: string) => (early ? intsAttribute(call.node, name) : call.numbers(index))
  const given = (index: number, name: string) =>
    early || call.constant(index) !== undefined ? constants(call, name, at(index, name)!) : call.input(index)
  const starts = given(1, 'starts')
  const ends = given(2, 'ends')
  const axes = at(3, 'axes') ?? at(1, 'starts')!.map((_, axis) => axis)
  const steps = early ? axes.map(() => 1) : (call.numbers(4) ?? axes.map(() => 1))
  call.result({
    type: 'Slice',
    opset: 'opset8',
    inputs: [call.input(0), starts, ends, constants(call, 'steps', steps), constants(call, 'axes', axes)],
  })
}

function split(call: ExportCall): void {
  const { node, net } = call
  const axis = net.int64(`${node.name}/axis`, intAttribute(node, 'axis', 0))
  const lengths = call.opset < 13 ? intsAttribute(node, 'split') : call.numbers(1)
  const data = call.input(0)
  const dtypes = node.outputs.map(() => data.dtype)
  if (lengths === undefined) call.results({ type: 'Split', data: { num_splits: node.outputs.length }, inputs: [data, axis], dtypes })
  else call.results({ type: 'VariadicSplit', inputs: [data, axis, constants(call, 'lengths', lengths)], dtypes })
}

function flatten(call: ExportCall): void {
  const axis = intAttribute(call.node, 'axis', 1)
  if (axis !== 1) throw call.refuse(`axis ${axis}: only 1 has a counterpart here`)
  call.result({ type: 'Reshape', data: { special_zero: true }, inputs: [call.input(0), constants(call, 'shape', [0, -1])] })
}

function pad(call: ExportCall): void {
  const pads = call.opset < 11 ? intsAttribute(call.node, 'pads')! : call.numbers(1)!
  const rank = pads.length / 2
  const mode = stringAttribute(call.node, 'mode', 'constant')
  const value = call.opset >= 11 && call.has(2) ? [call.input(2)] : []
  const inputs = [call.input(0), constants(call, 'begin', pads.slice(0, rank)), constants(call, 'end', pads.slice(rank)), ...value]
  call.result({ type: 'Pad', data: { pad_mode: mode }, inputs })
}

/** Resize-11 and later with constant scales or sizes over all axes (Interpolate-4). */
function resize(call: ExportCall): void {
  const { node, net } = call
  const mode = { nearest: 'nearest', linear: 'linear_onnx', cubic: 'cubic' }[stringAttribute(node, 'mode', 'nearest')]
  const scales = call.numbers(2)
  const sizes = call.numbers(3)
  const bySizes = scales === undefined || scales.length === 0
  if (mode === undefined || (bySizes && sizes === undefined)) throw call.refuse('this form of resizing has no counterpart here')
  const rank = (bySizes ? sizes! : scales).length
  const factors = bySizes ? sizes!.map(() => 1) : scales
  const data = {
    mode,
    shape_calculation_mode: bySizes ? 'sizes' : 'scales',
    coordinate_transformation_mode: stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel'),
    nearest_mode: stringAttribute(node, 'nearest_mode', 'round_prefer_floor'),
    antialias: false,
    pads_begin: Array.from({ length: rank }, () => 0),
    pads_end: Array.from({ length: rank }, () => 0),
    cube_coeff: -0.75,
  }
  // Only the axes that change: kernels for all of them at once are rarer.
  const axes = factors.flatMap((factor, axis) => (bySizes || factor !== 1 ? [axis] : []))
  const inputs = [
    call.input(0),
    constants(call, 'sizes', bySizes ? sizes! : axes.map(() => 1)),
    net.floats(
      `${node.name}/scales`,
      axes.map(axis => factors[axis]!),
      [axes.length],
    ),
    constants(call, 'axes', axes),
  ]
  call.result({ type: 'Interpolate', opset: 'opset4', data, inputs })
}

const withAxes =
  (type: string): ExportOp =>
  call => {
    const axes = axesOf(call, 13)
    call.result({ type, inputs: [call.input(0), ...(axes === undefined ? [] : [constants(call, 'axes', axes)])] })
  }

/** Operators that move, cut, join and convert without arithmetic. */
export const movementExports: Readonly<Record<string, ExportOp>> = {
  Cast: call => {
    const dtype = dtypeFromOnnx(intAttribute(call.node, 'to', 0))
    const type = dtype === undefined ? undefined : elementType(dtype)
    if (type === undefined) throw call.refuse('its target type has no counterpart here')
    call.result({ type: 'Convert', data: { destination_type: type }, inputs: [call.input(0)], dtype })
  },
  Concat: call => call.result({ type: 'Concat', data: { axis: intAttribute(call.node, 'axis', 0) }, inputs: call.inputs }),
  ConstantOfShape: call => {
    const value = call.node.attributes.get('value')
    const tensor = value?.kind === 'tensor' ? value.value : undefined
    const fill =
      tensor === undefined
        ? call.net.floats(`${call.node.name}/value`, [0])
        : call.net.constant(`${call.node.name}/value`, { ...tensor, shape: [] })
    call.result({ type: 'Broadcast', opset: 'opset3', data: { mode: 'numpy' }, inputs: [fill, call.input(0)], dtype: fill.dtype })
  },
  DepthToSpace: call =>
    call.result({
      type: 'DepthToSpace',
      data: {
        mode: stringAttribute(call.node, 'mode', 'DCR') === 'DCR' ? 'blocks_first' : 'depth_first',
        block_size: intAttribute(call.node, 'blocksize', 1),
      },
      inputs: [call.input(0)],
    }),
  Expand: call => call.result({ type: 'Broadcast', opset: 'opset3', data: { mode: 'bidirectional' }, inputs: call.inputs }),
  Flatten: flatten,
  Gather: call => {
    const axis = call.net.int64(`${call.node.name}/axis`, intAttribute(call.node, 'axis', 0))
    call.result({ type: 'Gather', opset: 'opset8', data: { batch_dims: 0 }, inputs: [call.input(0), call.input(1), axis] })
  },
  Pad: pad,
  Reshape: call =>
    call.result({
      type: 'Reshape',
      data: { special_zero: intAttribute(call.node, 'allowzero', 0) === 0 },
      inputs: [call.input(0), call.input(1)],
    }),
  Resize: resize,
  Shape: call => call.result({ type: 'ShapeOf', opset: 'opset3', data: { output_type: 'i64' }, inputs: [call.input(0)], dtype: 'int64' }),
  Slice: slice,
  Split: split,
  Squeeze: withAxes('Squeeze'),
  Tile: call => call.result({ type: 'Tile', inputs: call.inputs }),
  Transpose: call => {
    const order = intsAttribute(call.node, 'perm') ?? Array.from({ length: call.rank(0) }, (_, axis) => axis).reverse()
    call.result({ type: 'Transpose', inputs: [call.input(0), constants(call, 'order', order)] })
  },
  Unsqueeze: withAxes('Unsqueeze'),
}
