import { type Grid, sameGrid } from '../../fake-quantize/grid.js'
import { centredCodes, gridUnder } from '../../fake-quantize/grid-codes.js'
import { readFakeQuantize } from '../../fake-quantize/read-fake-quantize.js'
import { intAttribute } from '../../node.js'
import { type ConstantTensor, constant, constantData } from '../../tensor/tensor.js'
import type { ExportCall, ExportOp } from './export-call.js'

/**
 * FakeQuantize of the domain org.openvinotoolkit, which ONNX files carry as IR has it. On constants it becomes compressed weights where its codes are int8
 * around 0: a quarter of the size, and what OpenVINO would fold it to.
 */
export function fakeQuantize(call: ExportCall): void {
  if (compressed(call)) return
  call.result({
    type: 'FakeQuantize',
    data: { levels: intAttribute(call.node, 'levels', 256), auto_broadcast: 'numpy' },
    inputs: [0, 1, 2, 3, 4].map(index => call.input(index)),
  })
}

interface Codes {
  readonly limits: Grid
  readonly grid: Grid
  /** int8 around 0; undefined where they are not. */
  readonly codes: ConstantTensor | undefined
}

/** Codes of constants under the limits of their quantizer: a search writes the same weights again and again. */
const coded = new WeakMap<ConstantTensor, Codes>()

function codesUnder(limits: Grid, values: ConstantTensor): Codes {
  const known = coded.get(values)
  if (known !== undefined && sameGrid(known.limits, limits)) return known
  const floats = constantData(values) as Float32Array
  const grid = gridUnder(floats, values.shape, limits)
  const found = centredCodes(floats, values.shape, grid)
  const isInt8 = found.every(code => code >= -128 && code <= 127)
  const codes = { limits, grid, codes: isInt8 ? constant('int8', values.shape, Int8Array.from(found)) : undefined }
  coded.set(values, codes)
  return codes
}

function compressed(call: ExportCall): boolean {
  const { node, graph, net } = call
  const values = call.constant(0)
  if (values?.dtype !== 'float32') return false
  const rank = values.shape.length
  const found = readFakeQuantize(graph, node, rank)
  if (found?.takes.exact !== true || !sameGrid(found.takes, found.gives)) return false
  const { grid, codes } = codesUnder(found.takes, values)
  if (codes === undefined) return false
  const stored = net.constant(`${node.name}/codes`, codes)
  const float = call.add('float', {
    type: 'Convert',
    data: { destination_type: 'f32' },
    inputs: [stored],
    outputs: [{ dtype: 'float32', dims: values.shape }],
  })
  const shape = grid.axis === undefined ? [] : Array.from({ length: rank }, (_, axis) => (axis === grid.axis ? grid.scales.length : 1))
  const scale = net.constant(`${node.name}/scale`, constant('float32', shape, grid.scales))
  call.result({ type: 'Multiply', data: { auto_broadcast: 'numpy' }, inputs: [float, scale] })
  return true
}

/** Constant int8 codes as compressed weights: Convert, then minus zero point, times scale (quantization.md 9.3, form 2). */
function dequantizeLinear(call: ExportCall): void {
  const { node, net } = call
  const codes = call.constant(0)
  const scale = call.constant(1)
  if (codes === undefined || scale === undefined) throw call.refuse('only constants are dequantized in IR; activations carry FakeQuantize')
  const rank = codes.shape.length
  const given = intAttribute(node, 'axis', 1)
  const axis = given < 0 ? given + rank : given
  const perChannel = scale.shape.length === 1 && scale.shape[0] !== 1
  const shape = Array.from({ length: perChannel ? rank : 0 }, (_, at) => (at === axis ? scale.shape[0]! : 1))
  const convert = call.add('float', {
    type: 'Convert',
    data: { destination_type: 'f32' },
    inputs: [call.input(0)],
    outputs: [{ dtype: 'float32', dims: codes.shape }],
  })
  const factors = net.constant(`${node.name}/scale`, { ...scale, shape })
  const zero = call.constant(2)
  const zeros = zero === undefined ? [] : Array.from(constantData(zero) as ArrayLike<number>, Number)
  if (zeros.every(value => value === 0)) {
    call.result({ type: 'Multiply', data: { auto_broadcast: 'numpy' }, inputs: [convert, factors] })
    return
  }
  const points = net.constant(`${node.name}/zero`, constant('float32', perChannel ? shape : [], Float32Array.from(zeros)))
  const shifted = call.add('shifted', { type: 'Subtract', data: { auto_broadcast: 'numpy' }, inputs: [convert, points] })
  call.result({ type: 'Multiply', data: { auto_broadcast: 'numpy' }, inputs: [shifted, factors] })
}

export const quantizeExports: Readonly<Record<string, ExportOp>> = { DequantizeLinear: dequantizeLinear }
