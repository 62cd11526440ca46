import { redirectReads } from '../../graph/edit.js'
import type { Graph, Model } from '../../graph/graph.js'
import { int, makeNode, type Node } from '../../graph/node.js'
import { factRules } from '../../graph/ops/catalog.js'
import { inferFacts } from '../../graph/ops/facts.js'
import type { Evaluate } from '../../graph/passes/define-pass.js'
import { foldModel } from '../../graph/passes/prepare.js'
import { constant, constantData, scalar } from '../../graph/tensor/tensor.js'
import { emulateFakeQuantize } from './emulate-fake-quantize.js'
import type { FoundQuantizer } from './found-quantizer.js'
import { sameGrid } from './grid.js'
import { isFakeQuantize, readFakeQuantize } from './read-fake-quantize.js'
import { centredCodes, gridUnder, valuesOf } from './weight-codes.js'

/** True for a model that ONNX Runtime refuses: FakeQuantize is no operator of ONNX. */
export const hasFakeQuantize = ({ graph }: Model): boolean => graph.nodes.some(isFakeQuantize)

/**
 * A model with FakeQuantize as one that every ONNX engine runs, with the answers that it was trained for: weights lie on their grid, activations go through
 * QuantizeLinear and DequantizeLinear of uint8 where that is the same quantizer, else through the formula in float operators. Other models come back as they are.
 * It is what a QAT model is held against, and what serves until its int8 model is made.
 * @throws ERR_QUANT_QAT_LEVELS, ERR_QUANT_QAT_INPUTS, and what `foldModel` throws
 */
export async function runnableModel(model: Model, { evaluate }: { readonly evaluate: Evaluate }): Promise<Model> {
  if (!hasFakeQuantize(model)) return model
  const folded = await foldModel(model, { evaluate })
  const { graph } = folded
  const facts = inferFacts(graph, { opset: folded.opsets.get('') ?? 0, rules: factRules })
  const reads = new Map<string, string>()
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    if (!isFakeQuantize(node)) return [node]
    const input = node.inputs[0] ?? ''
    const weights = graph.constant(input)
    const found = readFakeQuantize(graph, node, facts(input).shape?.length ?? weights?.shape.length)
    if (found?.takes.exact !== true || !sameGrid(found.takes, found.gives)) return emulateFakeQuantize(graph, node)
    if (weights?.dtype === 'float32' && !graph.isOutput(found.output)) {
      const floats = constantData(weights) as Float32Array
      const grid = gridUnder(floats, weights.shape, found.takes)
      const values = valuesOf(centredCodes(floats, weights.shape, grid), weights.shape, grid)
      reads.set(found.output, graph.addConstant(`${input}/on_grid`, constant('float32', weights.shape, values)))
      return []
    }
    // Fewer levels reach less far than the codes of a type.
    return found.takes.high === 255 ? quantizePair(graph, found) : emulateFakeQuantize(graph, node)
  })
  graph.setNodes(nodes)
  redirectReads(graph, reads)
  for (const name of graph.initializers.keys())
    if (graph.consumers(name).length === 0 && !graph.isOutput(name)) graph.initializers.delete(name)
  return { ...folded, opsets: new Map([...folded.opsets].filter(([domain]) => domain !== 'org.openvinotoolkit')) }
}

function quantizePair(graph: Graph, { node, input, output, takes }: FoundQuantizer): readonly Node[] {
  const { scales, zeroPoints, axis } = takes
  const zeros = Uint8Array.from(zeroPoints)
  const channels = axis === undefined ? [] : [scales.length]
  const scale = graph.addConstant(
    `${node.name}/scale`,
    axis === undefined ? scalar('float32', scales) : constant('float32', channels, scales),
  )
  const zero = graph.addConstant(
    `${node.name}/zero_point`,
    axis === undefined ? scalar('uint8', zeros) : constant('uint8', channels, zeros),
  )
  const codes = graph.uniqueName(`${output}/codes`)
  const attributes = axis === undefined ? {} : { axis: int(axis) }
  return [
    makeNode({ name: `${node.name}/quantize`, opType: 'QuantizeLinear', inputs: [input, scale, zero], outputs: [codes], attributes }),
    makeNode({ name: `${node.name}/dequantize`, opType: 'DequantizeLinear', inputs: [codes, scale, zero], outputs: [output], attributes }),
  ]
}
