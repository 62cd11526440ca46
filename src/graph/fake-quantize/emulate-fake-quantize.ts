import type { Graph } from '../graph.js'
import { makeNode, type Node } from '../node.js'
import { scalar } from '../tensor/tensor.js'
import { levelsOf } from './read-fake-quantize.js'

/**
 * FakeQuantize-1 in float operators of ai.onnx 12, in the order in which the specification writes them (quantization.md 1.1); any limits, computed ones too. The
 * constants are added to `graph`, the nodes are handed back.
 */
export function emulateFakeQuantize(graph: Graph, node: Node): readonly Node[] {
  const [x, inputLow, inputHigh, outputLow, outputHigh] = node.inputs as readonly [string, string, string, string, string]
  const nodes: Node[] = []
  const add = (opType: string, inputs: readonly string[], output = graph.uniqueName(`${node.name}/${opType}`)): string => {
    nodes.push(makeNode({ name: graph.uniqueName(`${node.name}/step`), opType, inputs, outputs: [output] }))
    return output
  }
  const top = graph.addConstant(`${node.name}/top`, scalar('float32', Float32Array.of(levelsOf(node) - 1)))
  const share = add('Div', [add('Sub', [x, inputLow]), add('Sub', [inputHigh, inputLow])])
  const code = add('Round', [add('Mul', [share, top])])
  const within = add('Add', [add('Mul', [add('Div', [code, top]), add('Sub', [outputHigh, outputLow])]), outputLow])
  const above = add('Where', [add('Greater', [x, add('Max', [inputLow, inputHigh])]), outputHigh, within])
  add('Where', [add('Greater', [x, add('Min', [inputLow, inputHigh])]), above, outputLow], node.outputs[0]!)
  return nodes
}
