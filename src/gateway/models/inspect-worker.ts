import { extname } from 'node:path'
import { ServedModel } from '../../engines/worker/served-model.js'
import { readModelFile } from '../../graph/ir/model-file.js'
import { loadModel } from '../../graph/onnx/load.js'
import { noBody } from '../../process/channel.js'
import { parentChannel } from '../../process/parent.js'
import type { InspectRequest, ModelFacts } from './inspect-model.js'

/** Entry of the process that reads and opens a model file which nobody has checked yet. */
parentChannel(async ({ meta }) => {
  const { path, engine, manifest } = meta as InspectRequest
  const facts = describe(path)
  const served = await ServedModel.open({
    key: 'inspection',
    engine,
    artifact: path,
    manifest,
    modelName: 'inspection',
    version: '1',
    threads: 1,
  })
  await served.close()
  return { meta: facts, body: noBody }
})

function describe(path: string): ModelFacts {
  const { graph, opsets } = extname(path).toLowerCase() === '.xml' ? readModelFile(path).model : loadModel(path)
  return {
    opset: opsets.get('') ?? opsets.get('ai.onnx') ?? 0,
    nodes: graph.nodes.length,
    inputs: graph.inputs.map(({ name }) => name),
    outputs: graph.outputs.map(({ name }) => name),
  }
}
