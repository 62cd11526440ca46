import { loadModel } from '../../graph/onnx/load.js'
import { noBody } from '../../process/channel.js'
import { parentChannel } from '../../process/parent.js'
import type { ModelFacts } from './inspect-model.js'

/** Entry of the process that reads a model file which nobody has checked yet. */
parentChannel(({ meta }) => {
  const { path } = meta as { path: string }
  const { graph, opsets } = loadModel(path)
  const facts: ModelFacts = {
    opset: opsets.get('') ?? opsets.get('ai.onnx') ?? 0,
    nodes: graph.nodes.length,
    inputs: graph.inputs.map(({ name }) => name),
    outputs: graph.outputs.map(({ name }) => name),
  }
  return { meta: facts, body: noBody }
})
