import { redirectReads } from '../../../graph/edit.js'
import { emulateFakeQuantize } from '../../../graph/fake-quantize/emulate-fake-quantize.js'
import type { FoundQuantizer } from '../../../graph/fake-quantize/found-quantizer.js'
import { sameGrid } from '../../../graph/fake-quantize/grid.js'
import { centredCodes, gridUnder, valuesOf } from '../../../graph/fake-quantize/grid-codes.js'
import { isFakeQuantize } from '../../../graph/fake-quantize/read-fake-quantize.js'
import type { Graph, Model } from '../../../graph/graph.js'
import { type Attribute, int, makeNode, type Node } from '../../../graph/node.js'
import { openvinoDomain } from '../../../graph/openvino-domain.js'
import { type ConstantTensor, constant, constantData } from '../../../graph/tensor/tensor.js'
import { readOwnQuantizer } from './fake-quantize-node.js'

/**
 * A model of `insertFakeQuantize` in operators of ai.onnx: what another engine will answer is measured on this one. 256 levels around a zero that is a code
 * become QuantizeLinear and DequantizeLinear, kept from what reads them by a Max of one value that ONNX Runtime does not look through, so that nothing fuses
 * and products are float32; other limits become the formula in float operators, quantized constants the values of their codes. Equal to the reference
 * (`fakeQuantize`) but for exact ties, where it may be one step off (quantization.md 1.6).
 */
export function emulateQuantizers(model: Model): Model {
  const graph = model.graph.clone()
  const nodes: Node[] = []
  const folded = new Map<string, string>()
  for (const node of graph.nodes) {
    if (!isFakeQuantize(node)) {
      nodes.push(node)
      continue
    }
    const found = readOwnQuantizer(graph, node)
    const stored = graph.constant(node.inputs[0]!)
    if (found?.takes.exact !== true || !sameGrid(found.takes, found.gives)) nodes.push(...emulateFakeQuantize(graph, node))
    else if (stored !== undefined) folded.set(found.output, addQuantized(graph, found, stored))
    else if (found.takes.high === 255) nodes.push(...fencedPair(graph, found))
    else nodes.push(...emulateFakeQuantize(graph, node))
  }
  graph.setNodes(nodes)
  redirectReads(graph, folded)
  for (const name of graph.initializers.keys()) {
    if (graph.consumers(name).length === 0 && !graph.isOutput(name)) graph.initializers.delete(name)
  }
  return { ...model, opsets: new Map([...model.opsets].filter(([domain]) => domain !== openvinoDomain)), graph }
}

/** Name of a new constant: each code times its step, rounded once, so that steps that are powers of two stay exact. */
function addQuantized(graph: Graph, { input, takes }: FoundQuantizer, { shape, ...stored }: ConstantTensor): string {
  const floats = constantData({ shape, ...stored }) as Float32Array
  const grid = gridUnder(floats, shape, takes)
  return graph.addConstant(`${input}/quantized`, constant('float32', shape, valuesOf(centredCodes(floats, shape, grid), shape, grid)))
}

function fencedPair(graph: Graph, { input, output, takes }: FoundQuantizer): readonly Node[] {
  const { scales, zeroPoints, axis } = takes
  const shape = axis === undefined ? [] : [scales.length]
  const parameters = [
    graph.addConstant(`${output}/scale`, constant('float32', shape, scales)),
    graph.addConstant(`${output}/zero`, constant('uint8', shape, Uint8Array.from(zeroPoints))),
  ]
  const attributes: Readonly<Record<string, Attribute>> = axis === undefined ? {} : { axis: int(axis) }
  const [codes, values] = [graph.uniqueName(`${output}/codes`), graph.uniqueName(`${output}/values`)]
  return [
    makeNode({ name: codes, opType: 'QuantizeLinear', inputs: [input, ...parameters], outputs: [codes], attributes }),
    makeNode({ name: values, opType: 'DequantizeLinear', inputs: [codes, ...parameters], outputs: [values], attributes }),
    makeNode({ name: output, opType: 'Max', inputs: [values], outputs: [output] }),
  ]
}
