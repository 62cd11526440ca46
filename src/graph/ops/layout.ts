import type { Dimension } from '../graph.js'
import { intAttribute, intsAttribute } from '../node.js'
import { broadcast } from './elementwise.js'
import { type FactRule, isKnown, known, plainAxis } from './facts.js'
import { listOf } from './shape-arithmetic.js'

/** Product of `sizes`; undefined unless all are known. */
function product(sizes: readonly Dimension[]): Dimension {
  return known(sizes)?.reduce((whole, size) => whole * size, 1)
}

const reshape: FactRule = ({ node, input }) => {
  const { dtype, shape: from, values } = input(0)
  const wanted = input(1).values
  const [rank] = input(1).shape ?? []
  if (wanted === undefined)
    return [{ dtype, shape: isKnown(rank) && rank <= 16 ? Array.from({ length: rank }, () => undefined) : undefined }]
  const allowZero = intAttribute(node, 'allowzero', 0) === 1
  const shape = wanted.map((size, axis) => (size === 0 && !allowZero ? from?.[axis] : size))
  const open = shape.indexOf(-1)
  if (open >= 0) {
    const whole = from === undefined ? undefined : product(from)
    const rest = product(shape.filter((_, axis) => axis !== open))
    shape[open] = isKnown(whole) && isKnown(rest) && rest > 0 ? whole / rest : undefined
    if (shape[open] === undefined && from !== undefined) shape[open] = openSize(from, shape, open)
  }
  return [{ dtype, shape, values: shape.length <= 1 && (from?.length ?? 2) <= 1 ? values : undefined }]
}

/** The size behind -1 when all that is unknown on both sides cancels but one: sizes with equal names are equal. */
function openSize(from: readonly Dimension[], to: readonly Dimension[], open: number): Dimension {
  const rest = to.filter((_, axis) => axis !== open)
  if (from.includes(undefined) || rest.includes(undefined)) return undefined
  const left = [...from]
  for (const size of rest) {
    if (isKnown(size)) continue
    const at = left.indexOf(size)
    if (at < 0) return undefined
    left.splice(at, 1)
  }
  const names = left.filter(size => !isKnown(size))
  const above = left.filter(isKnown).reduce((whole, size) => whole * size, 1)
  const below = rest.filter(isKnown).reduce((whole, size) => whole * size, 1)
  if (below === 0) return undefined
  if (names.length === 0) return Number.isInteger(above / below) ? above / below : undefined
  return names.length === 1 && above === below ? names[0] : undefined
}

const flatten: FactRule = ({ node, input }) => {
  const { dtype, shape } = input(0)
  const axis = intAttribute(node, 'axis', 1)
  if (shape === undefined) return [{ dtype, shape: [undefined, undefined] }]
  const at = axis < 0 ? axis + shape.length : axis
  const side = (sizes: readonly Dimension[]): Dimension =>
    product(sizes) ?? (sizes.filter(size => size !== 1).length === 1 ? sizes.find(size => size !== 1) : undefined)
  return [{ dtype, shape: [side(shape.slice(0, at)), side(shape.slice(at))] }]
}

const transpose: FactRule = ({ node, input }) => {
  const { dtype, shape } = input(0)
  const order = intsAttribute(node, 'perm')
  if (shape === undefined) return [{ dtype, shape: order?.map(() => undefined) }]
  return [{ dtype, shape: order === undefined ? [...shape].reverse() : order.map(axis => shape[axis]) }]
}

const split: FactRule = given => {
  const { dtype, shape } = given.input(0)
  const { node } = given
  const count = node.outputs.length
  if (shape === undefined) return node.outputs.map(() => ({ dtype }))
  const axis = plainAxis(intAttribute(node, 'axis', 0), shape.length)
  const extent = axis === undefined ? undefined : shape[axis]
  const sizes = listOf(given, 'split', 1)
  const equal =
    isKnown(extent) && !node.attributes.has('split') && (node.inputs[1] ?? '') === '' && extent % count === 0 ? extent / count : undefined
  return node.outputs.map((_, index) => ({ dtype, shape: shape.map((size, at) => (at === axis ? (sizes?.[index] ?? equal) : size)) }))
}

const pad: FactRule = given => {
  const { dtype, shape } = given.input(0)
  if (shape === undefined) return [{ dtype }]
  const pads = listOf(given, 'pads', 1)
  const whole = pads !== undefined && pads.length === shape.length * 2 && (given.node.inputs[3] ?? '') === ''
  const padded = (size: Dimension, axis: number): Dimension => {
    if (!whole) return undefined
    const by = pads[axis]! + pads[axis + shape.length]!
    return by === 0 ? size : isKnown(size) ? size + by : undefined
  }
  return [{ dtype, shape: shape.map(padded) }]
}

const expand: FactRule = ({ input }) => [{ dtype: input(0).dtype, shape: broadcast([input(0).shape, input(1).values]) }]

const tile: FactRule = ({ input }) => {
  const { dtype, shape } = input(0)
  const repeats = input(1).values
  const times = (size: Dimension, by: Dimension): Dimension => (by === 1 ? size : isKnown(size) && isKnown(by) ? size * by : undefined)
  return [{ dtype, shape: shape?.map((size, axis) => times(size, repeats?.[axis])) }]
}

const depthToSpace: FactRule = ({ node, input }) => {
  const { dtype, shape } = input(0)
  const block = intAttribute(node, 'blocksize', 1)
  const up = node.opType === 'DepthToSpace'
  if (shape?.length !== 4) return [{ dtype }]
  const scaled = (size: Dimension, by: number): Dimension => (isKnown(size) ? size * by : undefined)
  const [batch, channels, height, width] = shape
  const [deep, wide] = up ? [1 / block ** 2, block] : [block ** 2, 1 / block]
  return [{ dtype, shape: [batch, scaled(channels, deep), scaled(height, wide), scaled(width, wide)] }]
}

/** Resize, Upsample: sizes where they are given, else floor(size * scale). */
const resize: FactRule = ({ node, input }) => {
  const { dtype, shape } = input(0)
  if (shape === undefined) return [{ dtype }]
  const attribute = node.attributes.get('scales')
  const scales = attribute?.kind === 'floats' ? attribute.value : known(input(node.inputs.length > 2 ? 2 : 1).values)
  const sizes = node.opType === 'Resize' ? input(3).values : undefined
  const plain = !node.attributes.has('axes') && !node.attributes.has('keep_aspect_ratio_policy')
  if (!plain) return [{ dtype, shape: shape.map(() => undefined) }]
  if (sizes?.length === shape.length) return [{ dtype, shape: sizes }]
  if (scales?.length !== shape.length) return [{ dtype, shape: shape.map(() => undefined) }]
  const scaled = (size: Dimension, axis: number): Dimension =>
    scales[axis] === 1 ? size : isKnown(size) ? Math.floor(Math.fround(size * scales[axis]!)) : undefined
  return [{ dtype, shape: shape.map(scaled) }]
}

export const layoutRules: readonly (readonly [string, FactRule])[] = [
  ['DepthToSpace', depthToSpace],
  ['Expand', expand],
  ['Flatten', flatten],
  ['Pad', pad],
  ['Reshape', reshape],
  ['Resize', resize],
  ['SpaceToDepth', depthToSpace],
  ['Split', split],
  ['Tile', tile],
  ['Transpose', transpose],
  ['Upsample', resize],
]
