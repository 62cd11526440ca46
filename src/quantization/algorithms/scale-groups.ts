import type { Graph } from '../../graph/graph.js'
import { changeNode, type Node } from '../../graph/node.js'
import { constant } from '../../graph/tensor/tensor.js'
import type { Shapes } from '../placement/shapes.js'
import { type ChannelGroup, type GroupConstants, singleAxis, spreadConstant } from './channel-groups.js'
import { changeLinear, dropUnread, type LinearWeights } from './linear-weights.js'

export interface ScaledGroup {
  readonly group: ChannelGroup
  /** Per channel: the values of the group are divided by it. Positive. */
  readonly factors: Float64Array
}

/**
 * Divides the values of each group by its factors: weights and biases of its makers, constants of its starts and its sums are divided, weights of its readers multiplied. The
 * function of the graph stays the same. Groups that share an operator (one by its data, one by its result) are scaled in one go.
 */
export function scaleGroups(graph: Graph, shapes: Shapes, scaled: readonly ScaledGroup[]): void {
  const linears = new Map<Node, LinearWeights>()
  const inputFactors = new Map<Node, Float64Array>()
  const outputFactors = new Map<Node, Float64Array>()
  for (const { group, factors } of scaled) {
    for (const maker of group.makers) {
      linears.set(maker.node, maker)
      outputFactors.set(
        maker.node,
        factors.map(factor => 1 / factor),
      )
    }
    for (const { linear, repeat } of group.readers) {
      linears.set(linear.node, linear)
      inputFactors.set(
        linear.node,
        Float64Array.from({ length: linear.inputs }, (_, channel) => factors[Math.floor(channel / repeat)]!),
      )
    }
    for (const constants of [...group.starts, ...group.summands]) scaleConstants(graph, shapes, constants, factors)
  }
  for (const [node, linear] of linears) {
    const out = outputFactors.get(node)
    const bias = out === undefined || linear.bias === undefined ? undefined : Float64Array.from(linear.bias, (value, o) => value * out[o]!)
    changeLinear(graph, linear, { inputFactors: inputFactors.get(node), outputFactors: out, bias })
  }
}

function scaleConstants(graph: Graph, shapes: Shapes, { node, names, place }: GroupConstants, factors: Float64Array): void {
  const axesBehind = shapes.get(node.outputs[0]!)!.length - 1 - singleAxis(place)!
  const scaled = new Map(
    names.map(name => {
      const values = spreadConstant(graph, shapes, { node, name, place })!
      const shape = [values.length, ...Array.from({ length: axesBehind }, () => 1)]
      const divided = Float32Array.from(values, (value, channel) => value / factors[channel]!)
      return [name, graph.addConstant(name, constant('float32', shape, divided))] as const
    }),
  )
  graph.replaceNode(node, changeNode(node, { inputs: node.inputs.map(input => scaled.get(input) ?? input) }))
  for (const name of names) dropUnread(graph, name)
}
