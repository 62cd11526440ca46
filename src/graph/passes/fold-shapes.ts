import type { Graph } from '../graph.js'
import { changeNode, intAttribute, isOp, type Node } from '../node.js'
import { type Facts, isKnown, known } from '../ops/facts.js'
import { type ConstantTensor, constant } from '../tensor/tensor.js'
import { addConstant, definePass, type PassContext } from './define-pass.js'

/**
 * Shape arithmetic whose result is certain although not all sizes are  becomes  a constant: Shape(x) sliced to H and W, a padding computed from them.
 * Reshape(x, shape) whose shape is unknown in places that are sizes of x at the same axis, or in one place,  becomes  Reshape(x, [0, ..., -1]).
 */
export const foldShapes = definePass({
  name: 'fold-shapes',
  phase: 'fold',
  apply(graph, context) {
    const facts = context.facts(graph)
    const folded = graph.nodes.filter(node => {
      const [output] = node.outputs
      if (node.outputs.length !== 1 || output === undefined || node.domain !== '' || isOp(node, 'Constant') || graph.isOutput(output))
        return false
      const tensor = certain(facts(output))
      if (tensor === undefined) return false
      graph.initializers.set(output, tensor)
      graph.valueInfo.delete(output)
      return true
    })
    if (folded.length > 0) graph.removeNodes(folded)
    return folded.length + plainReshapes(graph, { context, facts })
  },
})

function certain({ dtype, shape, values }: Facts): ConstantTensor | undefined {
  const numbers = known(values)
  const sizes = known(shape)
  if (numbers === undefined || sizes === undefined || sizes.reduce((product, size) => product * size, 1) !== numbers.length)
    return undefined
  if (dtype === 'float32') return constant(dtype, sizes, Float32Array.from(numbers))
  if (!numbers.every(Number.isSafeInteger)) return undefined
  if (dtype === 'int64') return constant(dtype, sizes, BigInt64Array.from(numbers, BigInt))
  if (dtype === 'bool') return constant(dtype, sizes, Uint8Array.from(numbers))
  return dtype === 'int32' ? constant(dtype, sizes, Int32Array.from(numbers)) : undefined
}

function plainReshapes(graph: Graph, { context, facts }: { context: PassContext; facts: (value: string) => Facts }): number {
  const changed = new Map<Node, Node>()
  for (const node of graph.nodes) {
    if (!isOp(node, 'Reshape') || intAttribute(node, 'allowzero', 0) !== 0 || context.constant(graph, node.inputs[1]!) !== undefined)
      continue
    const target = plainTarget(facts(node.inputs[0]!), facts(node.inputs[1]!))
    if (target === undefined) continue
    const tensor = constant('int64', [target.length], BigInt64Array.from(target, BigInt))
    const shape = addConstant(graph, context, { base: `${node.name}_shape`, tensor })
    changed.set(node, changeNode(node, { inputs: [node.inputs[0]!, shape] }))
  }
  if (changed.size > 0) graph.setNodes(graph.nodes.map(node => changed.get(node) ?? node))
  return changed.size
}

function plainTarget({ shape }: Facts, { values }: Facts): readonly number[] | undefined {
  if (values === undefined || values.length === 0) return undefined
  const target = values.map((size, axis) => {
    if (isKnown(size)) return size
    return size !== undefined && shape?.[axis] === size ? 0 : undefined
  })
  const open = target.indexOf(undefined)
  if (open >= 0) {
    // -1 cannot be told in a tensor without elements, nor stand twice.
    if (target.includes(-1)) return undefined
    target[open] = -1
  }
  return known(target)
}
