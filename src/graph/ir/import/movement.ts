import { int, ints, string } from '../../node.js'
import type { ImportCall, ImportLayer } from './import-call.js'

const onlyConstant = (call: ImportCall, index: number) => call.numbers(index)

function stridedSlice(call: ImportCall): boolean {
  const [begin, end] = [onlyConstant(call, 1), onlyConstant(call, 2)]
  const mask = (name: string) => call.list(name)
  if (begin === undefined || end === undefined || mask('ellipsis_mask').some(Boolean) || mask('new_axis_mask').some(Boolean)) return false
  const steps = call.inputs.length > 3 ? call.numbers(3) : begin.map(() => 1)
  if (steps === undefined) return false
  const axes = begin.map((_, axis) => axis)
  const largest = Number.MAX_SAFE_INTEGER
  const masked = (values: readonly number[], name: string, open: (step: number) => number) =>
    values.map((value, axis) => (mask(name)[axis] === 1 ? open(steps[axis]!) : value))
  const shrunk = axes.filter(axis => mask('shrink_axis_mask')[axis] === 1)
  const starts = masked(begin, 'begin_mask', step => (step > 0 ? 0 : largest))
  const opened = masked(end, 'end_mask', step => (step > 0 ? largest : -largest))
  const ends = opened.map((value, axis) => (shrunk.includes(axis) ? (starts[axis] === -1 ? largest : starts[axis]! + 1) : value))
  const inputs = [
    call.inputs[0]!,
    call.int64s('starts', starts),
    call.int64s('ends', ends),
    call.int64s('axes', axes),
    call.int64s('steps', steps),
  ]
  if (shrunk.length === 0) call.result('Slice', inputs)
  else call.result('Squeeze', [call.add('Slice', inputs), call.int64s('shrunk', shrunk)])
  return true
}

/** A length of -1 takes what the others leave of `size`; undefined where that is not known. */
function restTaken(lengths: readonly number[], size: number): readonly number[] | undefined {
  if (!lengths.includes(-1)) return lengths
  const rest = size - lengths.reduce((sum, length) => sum + Math.max(0, length), 0)
  return size < 0 || rest < 0 ? undefined : lengths.map(length => (length === -1 ? rest : length))
}

function split(call: ImportCall): boolean {
  const axis = call.numbers(1)?.[0]
  if (axis === undefined) return false
  const given = call.layer.type === 'VariadicSplit' ? call.numbers(2) : []
  const lengths = given && restTaken(given, call.dims(0).at(axis) ?? -1)
  if (lengths === undefined) return false
  call.result('Split', [call.inputs[0]!, ...(lengths.length === 0 ? [] : [call.int64s('lengths', lengths)])], { axis: int(axis) })
  return true
}

function interpolate(call: ImportCall): boolean {
  // From set 11 on one input has the scales or the sizes, before that there are two.
  const scalesAt = call.layer.opset === 'opset4' ? 2 : 1
  const axes = call.inputs.length > scalesAt + 1 ? call.numbers(scalesAt + 1) : call.dims(0).map((_, axis) => axis)
  const mode = { nearest: 'nearest', linear_onnx: 'linear', cubic: 'cubic' }[call.text('mode')]
  const padded = [...call.list('pads_begin'), ...call.list('pads_end')].some(size => size !== 0)
  const rank = call.dims(0).length
  if (mode === undefined || axes === undefined || padded || rank === 0 || call.flag('antialias', false)) return false
  if (call.text('shape_calculation_mode') !== 'scales') return false
  const given = call.numbers(scalesAt)
  if (given === undefined) return false
  const scales = Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? given[axes.indexOf(axis)]! : 1))
  const tensor = { dtype: 'float32', shape: [rank], bytes: new Uint8Array(Float32Array.from(scales).buffer) } as const
  call.result('Resize', [call.inputs[0]!, '', call.builder.addConstant(`${call.layer.name}/scales`, tensor)], {
    mode: string(mode),
    coordinate_transformation_mode: string(call.text('coordinate_transformation_mode', 'half_pixel')),
    nearest_mode: string(call.text('nearest_mode', 'round_prefer_floor')),
  })
  return true
}

const axesInput =
  (opType: string): ImportLayer =>
  call => {
    if (call.inputs.length === 1) {
      call.result(opType, call.inputs)
      return true
    }
    const axes = call.numbers(1)
    if (axes === undefined) return false
    call.result(opType, [call.inputs[0]!, call.int64s('axes', axes)])
    return true
  }

/** Layers that move, cut and join. */
export const movementImports: Readonly<Record<string, ImportLayer>> = {
  Broadcast: call => {
    if (call.text('mode') === 'bidirectional' || call.text('mode', 'numpy') === 'numpy') {
      call.result('Expand', call.inputs.slice(0, 2))
      return true
    }
    return false
  },
  Concat: call => {
    call.result('Concat', call.inputs, { axis: int(call.number('axis', 0)) })
    return true
  },
  DepthToSpace: call => {
    const mode = call.text('mode') === 'blocks_first' ? 'DCR' : 'CRD'
    call.result('DepthToSpace', call.inputs, { blocksize: int(call.number('block_size', 1)), mode: string(mode) })
    return true
  },
  Gather: call => {
    const axis = call.numbers(2)?.[0]
    if (axis === undefined || call.number('batch_dims', 0) !== 0) return false
    call.result('Gather', call.inputs.slice(0, 2), { axis: int(axis) })
    return true
  },
  Interpolate: interpolate,
  Pad: call => {
    const [begin, end] = [call.numbers(1), call.numbers(2)]
    const mode = call.text('pad_mode', 'constant')
    if (begin === undefined || end === undefined || !['constant', 'edge', 'reflect'].includes(mode)) return false
    call.result('Pad', [call.inputs[0]!, call.int64s('pads', [...begin, ...end]), ...call.inputs.slice(3, 4)], { mode: string(mode) })
    return true
  },
  Range: call => {
    const types = call.layer.inputs.map(({ precision }) => precision)
    if (types.some(type => type !== call.layer.outputs[0]?.precision)) return false
    call.result('Range', call.inputs)
    return true
  },
  Reshape: call => {
    call.result('Reshape', call.inputs, call.flag('special_zero', false) ? {} : { allowzero: int(1) })
    return true
  },
  ShapeOf: call => {
    if (call.text('output_type', 'i64') !== 'i64') return false
    call.result('Shape', call.inputs)
    return true
  },
  Slice: call => {
    const axes = call.inputs.length > 4 ? [call.inputs[4]!] : []
    if (axes.length === 0) return false
    call.result('Slice', [...call.inputs.slice(0, 3), ...axes, call.inputs[3]!])
    return true
  },
  Split: split,
  VariadicSplit: split,
  Squeeze: axesInput('Squeeze'),
  StridedSlice: stridedSlice,
  Tile: call => {
    call.result('Tile', call.inputs)
    return true
  },
  Transpose: call => {
    const order = call.numbers(1)
    if (order === undefined) return false
    call.result('Transpose', [call.inputs[0]!], order.length === 0 ? {} : { perm: ints(order) })
    return true
  },
  Unsqueeze: axesInput('Unsqueeze'),
}
