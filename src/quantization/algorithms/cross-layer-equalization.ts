import type { Graph } from '../../graph/graph.js'
import { isOp, type Node } from '../../graph/node.js'
import { findSqueezeExcite } from '../placement/find-squeeze-excite.js'
import type { Shapes } from '../placement/shapes.js'
import type { ChannelObserved, ChannelWanted } from '../statistics/statistics.js'
import { absorbBiases, absorbingRelu } from './absorb-biases.js'
import { type ChannelGroup, channelGroups } from './channel-groups.js'
import { equalizingFactors } from './equalizing-factors.js'
import { defineFloatAlgorithm, type FloatChange } from './float-algorithm.js'
import { type Cells, cellsOf, type LinearWeights } from './linear-weights.js'
import { type ScaledGroup, scaleGroups } from './scale-groups.js'

/**
 * Cross-layer equalization (quantization.md 4.1; Nagel et al. 2019) against observed activations: the channels of an activation are divided by factors that the weights
 * before it lose and the weights behind it gain, such that its one scale fits all of them. Over whole channel groups: pairs with an activation or pooling between
 * them, depthwise chains, and all convolutions that add up to one residual stream, which no pair would reach (fashion-resnet: 33.4 dB as it is, 34.3 with
 * pairs, 37.3 with groups).
 */
export const crossLayerEqualization = defineFloatAlgorithm({
  name: 'equalization',
  wanted: ({ graph }, shapes) =>
    equalizedGroups(graph, shapes).flatMap(group => {
      const relu = absorbingRelu(graph, group)
      const coded = codedValues(group)
      const [output = ''] = relu?.outputs ?? []
      return relu === undefined || coded.some(({ value }) => value === output)
        ? coded
        : [...coded, { value: output, axis: group.values.get(output)!.axis }]
    }),
  apply({ model, shapes, channels: observed }) {
    const graph = model.graph.clone()
    const known = new Map<Node, Cells>()
    const cells = (linear: LinearWeights): Cells => {
      const found = known.get(linear.node) ?? cellsOf(linear)
      known.set(linear.node, found)
      return found
    }
    const { channels, changes: absorbed } = absorbBiases(graph, equalizedGroups(graph, shapes), observed)
    const scaled: ScaledGroup[] = []
    const changes: FloatChange[] = [...absorbed]
    for (const group of equalizedGroups(graph, shapes)) {
      const found = equalizingFactors({ group, magnitudes: magnitudesOf(group, channels), cellsOf: cells })
      if (found === undefined) continue
      scaled.push({ group, factors: found.factors })
      changes.push(changeOf(group, found))
    }
    if (changes.length === 0) return { model, changes }
    scaleGroups(graph, shapes, scaled)
    return { model: { ...model, graph }, changes }
  },
})

/** Groups without those that only gates of squeeze-excite blocks read: they stay float (placement). */
function equalizedGroups(graph: Graph, shapes: Shapes): ChannelGroup[] {
  const gates = new Set(findSqueezeExcite(graph))
  return channelGroups(graph, shapes).filter(({ readers }) => !readers.every(({ linear }) => gates.has(linear.node)))
}

/** Values of the group that get a quantizer: what its readers read and what is added up. */
function codedValues({ values, readers, between }: ChannelGroup): ChannelWanted[] {
  const coded = new Set([
    ...readers.map(({ value }) => value),
    ...between.filter(node => isOp(node, 'Add', 'Sub', 'Mul', 'Div')).flatMap(({ inputs }) => inputs),
  ])
  return [...values].filter(([value]) => coded.has(value)).map(([value, { axis }]) => ({ value, axis }))
}

function magnitudesOf(group: ChannelGroup, channels: ReadonlyMap<string, ChannelObserved>): Float64Array {
  const magnitudes = new Float64Array(group.channels)
  for (const { value } of codedValues(group)) {
    const { low, high } = channels.get(value)!
    const { repeat } = group.values.get(value)!
    for (let i = 0; i < high.length; i += 1) {
      const channel = Math.floor(i / repeat)
      magnitudes[channel] = Math.max(magnitudes[channel]!, high[i]!, -low[i]!)
    }
  }
  return magnitudes
}

function changeOf(
  { makers, readers, channels }: ChannelGroup,
  { factors, noiseBefore, noiseAfter }: NonNullable<ReturnType<typeof equalizingFactors>>,
): FloatChange {
  const spread =
    factors.reduce((most, factor) => Math.max(most, factor), 0) /
    factors.reduce((least, factor) => Math.min(least, factor), Number.POSITIVE_INFINITY)
  const gain = 10 * Math.log10(noiseBefore / noiseAfter)
  const names = (nodes: readonly LinearWeights[]) => nodes.map(({ node }) => node.name).join(', ')
  const read = readers.map(({ linear }) => linear)
  return {
    nodes: [...new Set([...makers, ...read].map(({ node }) => node.name))],
    what: `${channels} channels between ${names(makers)} and ${names(read)} equalized, by factors up to ${spread.toFixed(1)} apart: ${gain.toFixed(1)} dB less noise there by estimate`,
  }
}
