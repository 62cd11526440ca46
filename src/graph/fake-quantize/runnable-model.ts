import type { Graph, Model } from '../graph.js'
import { int, makeNode, type Node } from '../node.js'
import { openvinoDomain } from '../openvino-domain.js'
import { factRules } from '../ops/catalog.js'
import { inferFacts } from '../ops/facts.js'
import type { Evaluate } from '../passes/define-pass.js'
import { foldModel } from '../passes/prepare.js'
import { type ConstantTensor, constant, constantData } from '../tensor/tensor.js'
import { emulateFakeQuantize } from './emulate-fake-quantize.js'
import type { FoundQuantizer } from './found-quantizer.js'
import { type Grid, sameGrid } from './grid.js'
import { centredCodes, channelAt, gridUnder } from './grid-codes.js'
import { isFakeQuantize, readFakeQuantize } from './read-fake-quantize.js'

/** True for a model that ONNX Runtime refuses: FakeQuantize is no operator of ONNX. */
export const hasFakeQuantize = ({ graph }: Model): boolean => graph.nodes.some(isFakeQuantize)

/**
 * A model with FakeQuantize as one that every ONNX engine runs, with the answers that it was trained for: weights as codes, activations through
 * QuantizeLinear and DequantizeLinear of uint8 where that is the same quantizer, else through the formula in float operators. Other models come back as they are.
 * It is what a QAT model is held against, and what serves until its int8 model is made.
 * @throws ERR_GRAPH_FAKE_QUANTIZE, and what `foldModel` throws
 */
export async function runnableModel(model: Model, { evaluate }: { readonly evaluate: Evaluate }): Promise<Model> {
  if (!hasFakeQuantize(model)) return model
  const folded = await foldModel(model, { evaluate })
  const { graph } = folded
  const facts = inferFacts(graph, { opset: folded.opsets.get('') ?? 0, rules: factRules })
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    if (!isFakeQuantize(node)) return [node]
    const input = node.inputs[0] ?? ''
    const weights = graph.constant(input)
    const found = readFakeQuantize(graph, node, facts(input).shape?.length ?? weights?.shape.length)
    if (found?.takes.exact !== true || !sameGrid(found.takes, found.gives)) return emulateFakeQuantize(graph, node)
    if (weights?.dtype === 'float32' && found.takes.high <= 255) return [storedCodes(graph, found, weights)]
    // Fewer levels reach less far than the codes of a type.
    return found.takes.high === 255 && weights === undefined ? quantizePair(graph, found) : emulateFakeQuantize(graph, node)
  })
  graph.setNodes(nodes)
  for (const name of graph.initializers.keys())
    if (graph.consumers(name).length === 0 && !graph.isOutput(name)) graph.initializers.delete(name)
  return { ...folded, opsets: new Map([...folded.opsets].filter(([domain]) => domain !== openvinoDomain)) }
}

function quantizePair(graph: Graph, { node, input, output, takes }: FoundQuantizer): readonly Node[] {
  const parameters = addParameters(graph, node, { ...takes, dtype: 'uint8' })
  const attributes = axisOf(takes)
  const codes = graph.uniqueName(`${output}/codes`)
  const name = graph.uniqueName(`${node.name}/quantize`)
  return [
    makeNode({ name, opType: 'QuantizeLinear', inputs: [input, ...parameters], outputs: [codes], attributes }),
    makeNode({ name: node.name, opType: 'DequantizeLinear', inputs: [codes, ...parameters], outputs: [output], attributes }),
  ]
}

/** Weights as codes: float ones between quantized activations ONNX Runtime would quantize by itself, all channels alike (ort-fusion.md b11). */
function storedCodes(graph: Graph, { node, input, output, takes }: FoundQuantizer, weights: ConstantTensor): Node {
  const floats = constantData(weights) as Float32Array
  const { shape } = weights
  const grid = gridUnder(floats, shape, takes)
  const centred = centredCodes(floats, shape, grid)
  const signed = centred.every(code => code >= -128 && code <= 127)
  const channelOf = channelAt(shape, grid.axis)
  const tensor = signed
    ? constant('int8', shape, Int8Array.from(centred))
    : constant(
        'uint8',
        shape,
        Uint8Array.from(centred, (code, index) => code + grid.zeroPoints[channelOf(index)]!),
      )
  const zeroPoints = signed ? grid.zeroPoints.map(() => 0) : grid.zeroPoints
  const parameters = addParameters(graph, node, { scales: grid.scales, zeroPoints, axis: grid.axis, dtype: signed ? 'int8' : 'uint8' })
  const inputs = [graph.addConstant(`${input}/codes`, tensor), ...parameters]
  return makeNode({ name: node.name, opType: 'DequantizeLinear', inputs, outputs: [output], attributes: axisOf(grid) })
}

const axisOf = ({ axis }: Pick<Grid, 'axis'>) => (axis === undefined ? {} : { axis: int(axis) })

/** Scale and zero point as constants of `graph`: numbers, or vectors along the axis. */
function addParameters(
  graph: Graph,
  { name }: Node,
  { scales, zeroPoints, axis, dtype }: Pick<Grid, 'scales' | 'zeroPoints' | 'axis'> & { readonly dtype: 'int8' | 'uint8' },
): readonly [string, string] {
  const shape = axis === undefined ? [] : [scales.length]
  const zeros = dtype === 'int8' ? Int8Array.from(zeroPoints) : Uint8Array.from(zeroPoints)
  return [
    graph.addConstant(`${name}/scale`, constant('float32', shape, scales)),
    graph.addConstant(`${name}/zero_point`, constant(dtype, shape, zeros)),
  ]
}
