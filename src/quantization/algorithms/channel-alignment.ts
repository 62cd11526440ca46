import type { Graph } from '../../graph/graph.js'
import { intAttribute, intsAttribute, isOp, type Node } from '../../graph/node.js'
import type { Shapes } from '../placement/shapes.js'
import type { ChannelObserved } from '../statistics/statistics.js'
import { type ChannelGroup, channelGroups, type GroupReader, isPadded } from './channel-groups.js'
import { defineFloatAlgorithm, type FloatChange } from './float-algorithm.js'
import { cellsOf, type LinearWeights } from './linear-weights.js'
import { scaleGroups } from './scale-groups.js'
import { BiasShifts, hasBiasPlace, shiftBehind } from './shift-bias.js'

/** Widths below this share of the median are those of a channel that says nothing; factors stay within two orders of magnitude. */
const leastWidth = 1e-6
const [leastFactor, largestFactor] = [1e-2, 1e2]
/** Shifts (over the median width) and factors (off 1) below this are not worth a change. */
const negligible = 1e-3

/**
 * Activation channel alignment (quantization.md 4.1; the first step of POT's DefaultQuantization): the channels between a convolution or matrix product and a convolution
 * directly behind it get the same middle and the same width, by their biases and weights, so that one scale per tensor fits them all. Only where the second
 * convolution has one group, no padding (it would read zeros that are not shifted), steps and dilation of 1; a missing bias is inserted.
 */
export const channelAlignment = defineFloatAlgorithm({
  name: 'channel_alignment',
  sparedBy: ['equalization'],
  wanted: ({ graph }, shapes) => pairs(graph, shapes).map(({ value }) => ({ value, axis: 1 })),
  apply({ model, shapes, channels }) {
    const graph = model.graph.clone()
    const shifts = new BiasShifts()
    const factorsOf = new Map<string, Float64Array>()
    const changes: FloatChange[] = []
    for (const { maker, reader, value } of pairs(graph, shapes)) {
      const aligned = alignment(channels.get(value)!)
      if (aligned === undefined) continue
      const { middles, factors } = aligned
      shifts.add(
        maker,
        middles.map(middle => -middle),
      )
      shifts.add(reader.linear, shiftBehind({ linear: reader.linear, cells: cellsOf(reader.linear), raised: middles }))
      factorsOf.set(value, factors)
      changes.push(changeOf(maker, reader, factors))
    }
    if (changes.length === 0) return { model, changes }
    shifts.apply(graph)
    scaleGroups(
      graph,
      shapes,
      pairs(graph, shapes)
        .filter(({ value }) => factorsOf.has(value))
        .map(({ group, value }) => ({ group, factors: factorsOf.get(value)! })),
    )
    return { model: { ...model, graph }, changes }
  },
})

interface Pair {
  readonly group: ChannelGroup
  readonly maker: LinearWeights
  readonly reader: GroupReader
  /** What the second one reads. */
  readonly value: string
}

function pairs(graph: Graph, shapes: Shapes): Pair[] {
  return channelGroups(graph, shapes).flatMap(group => {
    const [maker] = group.makers
    const [reader] = group.readers
    const alone = group.makers.length === 1 && group.starts.length === 0 && group.readers.length === 1
    if (maker === undefined || reader === undefined || !alone || !isDirect(group) || !isAlignable(reader.linear.node)) return []
    return hasBiasPlace(graph, maker) ? [{ group, maker, reader, value: reader.value }] : []
  })
}

/** Nothing between but the Add that holds the bias of a MatMul. */
const isDirect = ({ between, summands }: ChannelGroup) => between.length === summands.length && between.length <= 1

function isAlignable(node: Node): boolean {
  const ones = (name: string) => (intsAttribute(node, name) ?? []).every(size => size === 1)
  return isOp(node, 'Conv') && intAttribute(node, 'group', 1) === 1 && !isPadded(node) && ones('strides') && ones('dilations')
}

/** Middle of each channel and the factor of its width over the median one; undefined where all are aligned. */
function alignment({ medianLow, medianHigh }: ChannelObserved): { middles: Float64Array; factors: Float64Array } | undefined {
  const middles = medianLow.map((low, c) => (low + medianHigh[c]!) / 2)
  const widths = medianLow.map((low, c) => medianHigh[c]! - low)
  const widest = widths.reduce((most, width) => Math.max(most, width), 0)
  const live = widths.filter(width => width > leastWidth * widest).sort()
  const median = live[live.length >> 1]
  if (median === undefined || !Number.isFinite(widest)) return undefined
  const factors = widths.map(width => (width > leastWidth * widest ? Math.min(largestFactor, Math.max(leastFactor, width / median)) : 1))
  const isAligned =
    middles.every(middle => Math.abs(middle) <= negligible * median) && factors.every(factor => Math.abs(factor - 1) <= negligible)
  return isAligned ? undefined : { middles, factors }
}

function changeOf({ node, outputs }: LinearWeights, { linear }: GroupReader, factors: Float64Array): FloatChange {
  const apart =
    factors.reduce((most, factor) => Math.max(most, factor), 0) / factors.reduce((least, factor) => Math.min(least, factor), largestFactor)
  return {
    nodes: [node.name, linear.node.name],
    what: `${outputs} channels between ${node.name} and ${linear.node.name} aligned: their middles to zero, widths up to ${apart.toFixed(1)} times apart to one`,
  }
}
