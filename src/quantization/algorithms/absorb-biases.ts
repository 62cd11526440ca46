import type { Graph } from '../../graph/graph.js'
import { intsAttribute, isOp, type Node, stringAttribute } from '../../graph/node.js'
import type { ChannelObserved } from '../statistics/statistics.js'
import { type ChannelGroup, isPadded } from './channel-groups.js'
import type { FloatChange } from './float-algorithm.js'
import { cellsOf } from './linear-weights.js'
import { BiasShifts, hasBiasPlace, shiftBehind } from './shift-bias.js'

/** Share of a channel's magnitude that must go for it to be touched: a decibel of its range. */
const leastShare = 0.1

/** The Relu whose output never comes down to zero in some channels, if the group has the form that bias absorption needs. */
export function absorbingRelu(graph: Graph, group: ChannelGroup): Node | undefined {
  const { makers, starts, readers, between, summands } = group
  const [maker] = makers
  const relus = between.filter(node => isOp(node, 'Relu'))
  const [relu] = relus
  const shifts = (node: Node) =>
    node === relu || isOp(node, 'Flatten', 'Reshape', 'Squeeze', 'Unsqueeze', 'Transpose', 'Identity', 'MaxPool') || isFullAverage(node)
  if (maker === undefined || relu === undefined || makers.length + starts.length > 1 || relus.length > 1 || summands.length > 0)
    return undefined
  if (relu.inputs[0] !== maker.node.outputs[0] || !between.every(shifts) || !hasBiasPlace(graph, maker)) return undefined
  return readers.every(({ linear }) => !isPadded(linear.node) && hasBiasPlace(graph, linear)) ? relu : undefined
}

/** An average that no padding takes part in. */
function isFullAverage(node: Node): boolean {
  if (isOp(node, 'GlobalAveragePool', 'GlobalMaxPool')) return true
  const padded = stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET' || (intsAttribute(node, 'pads') ?? []).some(size => size !== 0)
  return isOp(node, 'AveragePool') && !padded
}

export interface Absorbed {
  /** What is observed of the changed graph. */
  readonly channels: ReadonlyMap<string, ChannelObserved>
  readonly changes: readonly FloatChange[]
}

/**
 * Bias absorption (quantization.md 4.1; Nagel et al. 2019, section 4.1.3): what a channel behind a Relu never falls below is taken from the bias before it and given,
 * through the weights, to the biases behind it, so that the activation covers its range from zero. The paper guesses that floor from a batch normalization
 * (beta - 3 gamma), which is folded by now; here it lies below all that was observed, by a margin. Changes `graph`.
 */
export function absorbBiases(graph: Graph, groups: readonly ChannelGroup[], channels: ReadonlyMap<string, ChannelObserved>): Absorbed {
  const lowered = new Map(channels)
  const changes: FloatChange[] = []
  const shifts = new BiasShifts()
  for (const group of groups) {
    const relu = absorbingRelu(graph, group)
    const floors = relu === undefined ? undefined : floorsOf(channels.get(relu.outputs[0]!)!)
    if (floors === undefined) continue
    const [maker] = group.makers
    shifts.add(
      maker!,
      floors.map(floor => -floor),
    )
    for (const { linear, repeat } of group.readers) {
      const raised = Float64Array.from({ length: linear.inputs }, (_, i) => floors[Math.floor(i / repeat)]!)
      shifts.add(linear, shiftBehind({ linear, cells: cellsOf(linear), raised }))
    }
    for (const [value, { repeat }] of group.values) {
      const seen = channels.get(value)
      if (seen !== undefined)
        lowered.set(
          value,
          minus(seen, i => floors[Math.floor(i / repeat)]!),
        )
    }
    const count = floors.filter(floor => floor > 0).length
    const nodes = [maker!, ...group.readers.map(({ linear }) => linear)].map(({ node }) => node.name)
    changes.push({
      nodes,
      what: `${count} of ${group.channels} channels behind ${relu!.name} never come down to zero: that part of the bias of ${nodes[0]} moved to ${nodes.slice(1).join(', ')}`,
    })
  }
  shifts.apply(graph)
  return { channels: lowered, changes }
}

/**
 * Per channel, what it is taken never to fall below: as far under the lowest value of all samples as that lies under the lowest value of the median sample, which is
 * more than five standard deviations where 300 samples are alike. 0 where that is too little to be worth it. Undefined where no channel is worth it.
 */
function floorsOf({ low, high, medianLow }: ChannelObserved): Float64Array | undefined {
  const floors = low.map((lowest, c) => {
    const floor = 2 * lowest - medianLow[c]!
    return floor > leastShare * high[c]! ? floor : 0
  })
  return floors.some(floor => floor > 0) ? floors : undefined
}

function minus({ low, high, medianLow, medianHigh }: ChannelObserved, by: (index: number) => number): ChannelObserved {
  const less = (values: Float64Array) => values.map((value, i) => value - by(i))
  return { low: less(low), high: less(high), medianLow: less(medianLow), medianHigh: less(medianHigh) }
}
