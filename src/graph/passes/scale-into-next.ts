import type { Graph } from '../graph.js'
import { changeNode, isOp, type Node } from '../node.js'
import { scalar } from '../tensor/tensor.js'
import { scaledBy } from './canonical-hard-sigmoid.js'
import { addConstant, definePass, type PassContext } from './define-pass.js'
import { type Linear, linearReaders, rebuilt, weightsOf } from './linear.js'
import { scalarOf } from './scalar-of.js'

/**
 * Conv(x * s, w, b)      becomes  Conv(x, w * s, b)             for a number s (Div alike; ConvTranspose, Gemm and MatMul alike)
 * Conv(x * s + t, w, b)  becomes  Conv(x + t / s, w * s, b)
 * Only where convolutions and their like are all that reads the product or sum; the half of an erf GELU stays with it. The learnt affine step behind each activation of PP-LCNetV3 and PP-HGNet.
 */
export const scaleIntoNext = definePass({
  name: 'scale-into-next',
  phase: 'fuse',
  after: ['fuse-bias'],
  apply(graph, context) {
    const facts = context.facts(graph)
    let changes = 0
    for (const node of graph.nodes) {
      const [output = ''] = node.outputs
      if (!isOp(node, 'Mul', 'Div', 'Add') || graph.producer(output) !== node) continue
      const step = isOp(node, 'Add') ? shiftedScale(graph, node, context) : plainScale(graph, node, context)
      const readers = step === undefined ? undefined : linearReaders(graph, output, { context, facts })
      if (step === undefined || readers === undefined) continue
      const { input, factor, gone } = step
      if (step.shift === undefined) {
        scaleReaders(graph, readers, { input, factor, context })
        graph.removeNodes(gone)
      } else {
        scaleReaders(graph, readers, { input: output, factor, context })
        const shift = addConstant(graph, context, {
          base: `${node.name}_shift`,
          tensor: scalar('float32', Float32Array.of(step.shift / factor)),
        })
        graph.replaceNodes([node, ...gone], [changeNode(node, { inputs: [input, shift] })])
      }
      changes += 1
    }
    return changes
  },
})

interface Step {
  readonly input: string
  readonly factor: number
  readonly shift?: number
  readonly gone: readonly Node[]
}

function plainScale(graph: Graph, node: Node, context: PassContext): Step | undefined {
  const [input, factor] = scaledBy(graph, node, context) ?? []
  return input === undefined || !isUsable(factor) || isErfGate(graph, input) ? undefined : { input, factor, gone: [node] }
}

/** `value` = x * (1 + Erf(x / sqrt 2)): its half is a GELU, which engines know by this form. */
function isErfGate(graph: Graph, value: string): boolean {
  const gate = graph.producer(value)
  if (!isOp(gate, 'Mul')) return false
  return gate.inputs.some(factor => {
    const sum = graph.producer(factor)
    return isOp(sum, 'Add') && sum.inputs.some(input => isOp(graph.producer(input), 'Erf'))
  })
}

function shiftedScale(graph: Graph, add: Node, context: PassContext): Step | undefined {
  const [first = '', second = ''] = add.inputs
  const right = scalarOf(graph, second, context)
  const [value, shift] = right === undefined ? [second, scalarOf(graph, first, context)] : [first, right]
  const scale = graph.producer(value)
  if (shift === undefined || scale === undefined || graph.soleConsumer(value) !== add) return undefined
  const step = plainScale(graph, scale, context)
  return step === undefined ? undefined : { ...step, shift }
}

/** Zero would lose x, and what float32 cannot hold would lose the weights. */
function isUsable(factor: number | undefined): factor is number {
  return factor !== undefined && Number.isFinite(factor) && Math.abs(factor) > 1e-6 && Math.abs(factor) < 1e6
}

function scaleReaders(
  graph: Graph,
  readers: readonly Linear[],
  { input, factor, context }: { input: string; factor: number; context: PassContext },
): void {
  for (const linear of readers) {
    const weights = weightsOf(linear).map(value => value * factor)
    const node = rebuilt(graph, linear, { weights, input, output: linear.node.outputs[0]!, context })
    graph.replaceNode(linear.node, node)
  }
}
