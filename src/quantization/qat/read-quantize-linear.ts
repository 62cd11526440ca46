import type { FoundQuantizer, StoredCodes } from '../../graph/fake-quantize/found-quantizer.js'
import type { Grid } from '../../graph/fake-quantize/grid.js'
import type { Graph } from '../../graph/graph.js'
import { intAttribute, type Node } from '../../graph/node.js'
import type { DType } from '../../graph/tensor/dtype.js'
import { dtypeFromOnnx } from '../../graph/tensor/dtype.js'
import { constantData } from '../../graph/tensor/tensor.js'

/** Ranges of the integer types of codes. */
const codeRanges: Partial<Record<DType, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  uint4: [0, 15],
  int4: [-8, 7],
  uint2: [0, 3],
  int2: [-2, 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
}

const inDomain = ({ domain }: Node) => domain === '' || domain === 'com.microsoft'
export const isQuantizeLinear = (node: Node | undefined): node is Node =>
  node?.opType === 'QuantizeLinear' && inDomain(node) && node.inputs.length >= 2
export const isDequantizeLinear = (node: Node | undefined): node is Node =>
  node?.opType === 'DequantizeLinear' && inDomain(node) && node.inputs.length >= 2

/**
 * QuantizeLinear -> DequantizeLinear as one quantizer, with a Clip of the codes between them as PyTorch writes ranges that are no type's. Undefined where scale
 * or zero point are computed, along blocks, or of a type that is no integer, and where something else happens to the codes.
 */
export function readQuantizePair(graph: Graph, dequantize: Node, rank: number | undefined): FoundQuantizer | undefined {
  const before = graph.producer(dequantize.inputs[0]!)
  const clip = before?.opType === 'Clip' && before.domain === '' ? before : undefined
  const quantize = clip === undefined ? before : graph.producer(clip.inputs[0] ?? '')
  if (!isQuantizeLinear(quantize)) return undefined
  const dtype = codesOf(graph, quantize)
  const takes = gridOf(graph, quantize, { dtype, rank })
  const gives = gridOf(graph, dequantize, { dtype, rank })
  const [low, high] = clip === undefined ? [takes?.low, takes?.high] : clipLimits(graph, clip, takes)
  if (takes === undefined || gives === undefined || low === undefined || high === undefined) return undefined
  return {
    node: dequantize,
    input: quantize.inputs[0]!,
    output: dequantize.outputs[0]!,
    takes: { ...takes, low, high },
    gives: { ...gives, low, high },
  }
}

/** A DequantizeLinear on an initializer of 8, 16 or 32 bits; undefined for other types and for blocks. */
export function readStoredCodes(graph: Graph, dequantize: Node): StoredCodes | undefined {
  const tensor = graph.constant(dequantize.inputs[0]!)
  if (tensor === undefined || !['int8', 'uint8', 'int16', 'uint16', 'int32'].includes(tensor.dtype)) return undefined
  const grid = gridOf(graph, dequantize, { dtype: tensor.dtype, rank: tensor.shape.length })
  if (grid === undefined || (grid.axis !== undefined && tensor.shape[grid.axis] !== grid.scales.length)) return undefined
  return {
    node: dequantize,
    input: dequantize.inputs[0]!,
    output: dequantize.outputs[0]!,
    grid,
    codes: constantData(tensor) as Int8Array,
    shape: tensor.shape,
  }
}

/** Type of the codes of a QuantizeLinear: that of its zero point, else attribute `output_dtype` (opset 21), else uint8. */
function codesOf(graph: Graph, quantize: Node): DType | undefined {
  const zeroPoint = quantize.inputs[2] ?? ''
  if (zeroPoint !== '') return graph.constant(zeroPoint)?.dtype
  const asked = intAttribute(quantize, 'output_dtype', 0)
  return asked === 0 ? 'uint8' : dtypeFromOnnx(asked)
}

function gridOf(graph: Graph, node: Node, { dtype, rank }: { dtype: DType | undefined; rank: number | undefined }): Grid | undefined {
  const range = dtype === undefined ? undefined : codeRanges[dtype]
  const scale = graph.constant(node.inputs[1]!)
  if (range === undefined || scale?.dtype !== 'float32' || intAttribute(node, 'block_size', 0) !== 0) return undefined
  if (scale.shape.length > 1) return undefined
  const scales = constantData(scale) as Float32Array
  if (!scales.every(value => Number.isFinite(value) && value > 0)) return undefined
  const zeroPoints = zeroPointsOf(graph, node, { count: scales.length, dtype })
  if (zeroPoints === undefined) return undefined
  const axis = scales.length === 1 ? undefined : axisOf(node, rank)
  if (scales.length > 1 && axis === undefined) return undefined
  return { scales, zeroPoints, low: range[0], high: range[1], axis, exact: true }
}

function zeroPointsOf(graph: Graph, node: Node, { count, dtype }: { count: number; dtype: DType | undefined }): Int32Array | undefined {
  const name = node.inputs[2] ?? ''
  if (name === '') return new Int32Array(count)
  const tensor = graph.constant(name)
  // Four-bit zero points are packed: what they quantize is not read here.
  if (tensor === undefined || tensor.dtype !== dtype || dtype === 'uint4' || dtype === 'int4' || dtype === 'uint2' || dtype === 'int2')
    return undefined
  const values = Int32Array.from(constantData(tensor) as Int8Array)
  if (values.length === count) return values
  return values.length === 1 ? new Int32Array(count).fill(values[0]!) : undefined
}

function axisOf(node: Node, rank: number | undefined): number | undefined {
  const axis = intAttribute(node, 'axis', 1)
  const plain = axis < 0 ? (rank === undefined ? -1 : axis + rank) : axis
  return plain < 0 || (rank !== undefined && plain >= rank) ? undefined : plain
}

function clipLimits(graph: Graph, clip: Node, grid: Grid | undefined): readonly [number, number] | readonly [undefined, undefined] {
  if (grid === undefined) return [undefined, undefined]
  const limit = (name: string | undefined, otherwise: number) => {
    const tensor = name === undefined || name === '' ? undefined : graph.constant(name)
    if (tensor !== undefined) return Number((constantData(tensor) as Int8Array)[0])
    return name === undefined || name === '' ? otherwise : Number.NaN
  }
  const low = Math.max(grid.low, limit(clip.inputs[1], grid.low))
  const high = Math.min(grid.high, limit(clip.inputs[2], grid.high))
  return low < high ? [low, high] : [undefined, undefined]
}
