import { QuantdError } from '../../errors.js'
import { Graph, type ValueInfo } from '../graph.js'
import type { Node } from '../node.js'
import { type Facts, known } from '../ops/facts.js'
import { dtypes } from '../tensor/dtype.js'
import { type ConstantTensor, constant, elementCount } from '../tensor/tensor.js'
import { subgraphsOf } from '../verify.js'
import { definePass, type PassContext } from './define-pass.js'

/** A result may be this many times as long as what it is computed from, ... */
const growth = 4
/** ... or this long in all, in bytes: zeros of a padding, tables of positions. */
const freeBytes = 1 << 20
/** Results of one run over what its constants hold. */
const totalBytes = 4 << 20

/** Operators whose results change from run to run, or that quantization reads as they are. */
const kept = new Set(
  'Bernoulli Constant DequantizeLinear Dropout DynamicQuantizeLinear FakeQuantize Multinomial QuantizeLinear RandomNormal RandomNormalLike RandomUniform RandomUniformLike'.split(
    ' ',
  ),
)

/**
 * Nodes that read constants alone  become  initializers with their results, computed by `evaluate` in one run per round. Where the size of a
 * result is not certain, or much larger than its inputs, the node stays.
 */
export const foldConstants = definePass({
  name: 'fold-constants',
  phase: 'fold',
  after: ['fold-shapes'],
  async apply(graph, context) {
    let changes = 0
    for (let folded = await foldOnce(graph, context); folded > 0; folded = await foldOnce(graph, context)) changes += folded
    return changes
  },
})

async function foldOnce(graph: Graph, context: PassContext): Promise<number> {
  const { nodes, constants, facts } = foldable(graph, context)
  if (nodes.length === 0) return 0
  const inside = new Set(nodes)
  const wanted = nodes.flatMap(node =>
    node.outputs.filter(value => value !== '' && graph.consumers(value).some(consumer => !inside.has(consumer))),
  )
  if (wanted.length > 0) {
    const outputs = wanted.map((name): ValueInfo => ({ name, dtype: facts(name).dtype, shape: undefined }))
    const part = new Graph({ name: 'constants', nodes, inputs: [], outputs, initializers: constants })
    const results = await context.evaluate({ irVersion: 8, opsets: new Map([['', context.opset]]), graph: part })
    for (const name of wanted) {
      const tensor = results.get(name)
      if (tensor === undefined) throw new QuantdError('ERR_INTERNAL', `evaluation gave no result '${name}'`)
      graph.initializers.set(name, constant(tensor.dtype, tensor.shape, tensor.data.slice()))
    }
  }
  for (const node of nodes) for (const output of node.outputs) graph.valueInfo.delete(output)
  graph.removeNodes(nodes)
  return nodes.length
}

/** Nodes to fold, in order, and the constants that they read. */
function foldable(graph: Graph, context: PassContext) {
  const facts = context.facts(graph)
  const nodes: Node[] = []
  const made = new Set<string>()
  const constants = new Map<string, ConstantTensor>()
  let spent = 0
  for (const node of graph.nodes) {
    const reads = node.inputs.filter(input => input !== '')
    const fixed = reads.every(input => made.has(input) || readable(context.constant(graph, input)))
    const wanted = node.outputs.filter(output => output !== '')
    if (!fixed || reads.length === 0 || node.domain !== '' || kept.has(node.opType) || subgraphsOf(node).length > 0) continue
    if (wanted.some(output => graph.isOutput(output))) continue
    const bytes = sum(wanted.map(output => byteLength(facts(output))))
    const from = sum(reads.map(input => context.constant(graph, input)?.bytes.byteLength ?? byteLength(facts(input))))
    if (!(bytes <= Math.max(from * growth, freeBytes)) || !(spent + Math.max(0, bytes - from) <= totalBytes)) continue
    spent += Math.max(0, bytes - from)
    nodes.push(node)
    for (const output of wanted) made.add(output)
    for (const input of reads) {
      const tensor = context.constant(graph, input)
      if (tensor !== undefined) constants.set(input, tensor)
    }
  }
  return { nodes, constants, facts }
}

function readable(tensor: ConstantTensor | undefined): boolean {
  return tensor !== undefined && dtypes[tensor.dtype].array !== undefined
}

/** NaN when size or type is not certain. */
function byteLength({ dtype, shape }: Facts): number {
  const sizes = known(shape)
  if (sizes === undefined || dtype === undefined || dtypes[dtype].array === undefined) return Number.NaN
  return (elementCount(sizes) * dtypes[dtype].bits) / 8
}

const sum = (values: readonly number[]): number => values.reduce((whole, value) => whole + value, 0)
