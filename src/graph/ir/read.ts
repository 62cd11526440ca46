import { QuantdError } from '../../errors.js'
import type { Model, ValueInfo } from '../graph.js'
import { openvinoDomain } from '../openvino-domain.js'
import { dtypes } from '../tensor/dtype.js'
import { type ConstantTensor, elementCount } from '../tensor/tensor.js'
import { dtypeOf } from './element-types.js'
import { elementwiseImports } from './import/elementwise.js'
import { foldLayer } from './import/fold-layer.js'
import { GraphBuilder } from './import/graph-builder.js'
import { ImportCall, type ImportLayer } from './import/import-call.js'
import { linearImports } from './import/linear.js'
import { movementImports } from './import/movement.js'
import { quantizeImports } from './import/quantize.js'
import { recurrentImports } from './import/recurrent.js'
import type { IrLayer, IrNet } from './net.js'
import { parseNet } from './parse-net.js'
import { passIn } from './unknown-layers.js'
import type { IrFiles } from './write.js'

const imports: Readonly<Record<string, ImportLayer>> = {
  ...elementwiseImports,
  ...linearImports,
  ...movementImports,
  ...quantizeImports,
  ...recurrentImports,
}

/** Set of ai.onnx that the translations speak. */
const opset = 17

/**
 * OpenVINO IR of version 10 or 11 as a graph of ai.onnx 17. FakeQuantize keeps its form under the domain org.openvinotoolkit, compressed int8 weights become
 * DequantizeLinear, and layers without an ONNX form pass through under that domain, to be written back as they were. Constants are views over `bin`.
 * @throws ERR_IR_READ
 */
export function readIr({ xml, bin }: IrFiles): Model {
  const net = parseNet(xml)
  const builder = new GraphBuilder()
  const values = new Map<string, string>()
  const inputs: ValueInfo[] = []
  const results: string[] = []
  const sources = new Map(net.edges.map(({ fromLayer, fromPort, toLayer, toPort }) => [`${toLayer}:${toPort}`, `${fromLayer}:${fromPort}`]))
  const isRead = new Set(sources.values())
  for (const layer of inOrder(net)) {
    const read = layer.inputs.map(({ id }) => {
      const value = values.get(sources.get(`${layer.id}:${id}`) ?? '')
      if (value === undefined) throw new QuantdError('ERR_IR_READ', `layer '${layer.name}': nothing reaches its input ${id}`)
      return value
    })
    if (layer.type === 'Result') {
      results.push(read[0]!)
      continue
    }
    const outputs = layer.outputs.map(({ id, names }, index) => {
      const value = builder.valueName(names[0] ?? (layer.outputs.length === 1 ? layer.name : `${layer.name}.${index}`))
      values.set(`${layer.id}:${id}`, value)
      return value
    })
    if (layer.type === 'Parameter') inputs.push(inputOf(layer, outputs[0]!))
    else if (layer.type === 'Const') builder.setConstant(outputs[0]!, constantOf(layer, bin))
    else {
      const call = new ImportCall({
        layer,
        inputs: read,
        outputs,
        builder,
        isRead: index => isRead.has(`${layer.id}:${layer.outputs[index]?.id}`),
      })
      if (!foldLayer(call) && imports[layer.type]?.(call) !== true)
        builder.push(passIn({ ...layer, name: builder.nodeName(layer.name) }, { inputs: read, outputs }))
    }
  }
  const graph = builder.finish({ name: net.name, inputs, outputs: outputsOf(results, { builder, inputs, net, values }) })
  const foreign = graph.nodes.some(({ domain }) => domain === openvinoDomain)
  return { irVersion: 8, opsets: new Map([['', opset], ...(foreign ? [[openvinoDomain, 1] as const] : [])]), graph }
}

/** Layers in topological order: files of other tools need not have them so. @throws ERR_IR_READ on a cycle */
function inOrder({ layers, edges }: IrNet): readonly IrLayer[] {
  const byId = new Map(layers.map(layer => [layer.id, layer]))
  const waiting = new Map(layers.map(({ id }) => [id, 0]))
  const readers = new Map<number, number[]>()
  for (const { fromLayer, toLayer } of edges) {
    if (!byId.has(fromLayer) || !byId.has(toLayer))
      throw new QuantdError('ERR_IR_READ', `an edge leads from layer ${fromLayer} to layer ${toLayer}, one of which is not there`)
    waiting.set(toLayer, waiting.get(toLayer)! + 1)
    readers.set(fromLayer, [...(readers.get(fromLayer) ?? []), toLayer])
  }
  const ready = layers.filter(({ id }) => waiting.get(id) === 0).map(({ id }) => id)
  const ordered: IrLayer[] = []
  for (let at = 0; at < ready.length; at += 1) {
    ordered.push(byId.get(ready[at]!)!)
    for (const reader of readers.get(ready[at]!) ?? []) {
      waiting.set(reader, waiting.get(reader)! - 1)
      if (waiting.get(reader) === 0) ready.push(reader)
    }
  }
  if (ordered.length < layers.length) throw new QuantdError('ERR_IR_READ', 'the layers form a cycle')
  // Parameters and results in the order of the file: it is that of the model's inputs and outputs.
  const position = new Map(layers.map((layer, index) => [layer, index]))
  const rank = ({ type }: IrLayer) => (type === 'Parameter' ? 0 : type === 'Result' ? 2 : 1)
  return ordered
    .map((layer, index) => ({ layer, index: rank(layer) === 1 ? index : position.get(layer)! }))
    .sort((a, b) => rank(a.layer) - rank(b.layer) || a.index - b.index)
    .map(({ layer }) => layer)
}

function inputOf({ name, data, outputs }: IrLayer, value: string): ValueInfo {
  const dtype = dtypeOf(data.element_type ?? outputs[0]?.precision ?? '')
  if (dtype === undefined)
    throw new QuantdError('ERR_IR_READ', `input '${name}': element type ${data.element_type ?? 'missing'} is not supported`)
  const shape = (data.shape ?? '').trim()
  const sizes = shape === '' ? [] : shape.split(',').map(size => (/^\s*\d+\s*$/.test(size) ? Number(size) : undefined))
  return { name: value, dtype, shape: sizes }
}

/** @throws ERR_IR_READ where the blob is not in the file or not as long as its shape asks for */
function constantOf({ name, data }: IrLayer, bin: Uint8Array): ConstantTensor {
  const refuse = (why: string) => new QuantdError('ERR_IR_READ', `constant '${name}': ${why}`, { details: { layer: name } })
  const dtype = dtypeOf(data.element_type ?? '')
  if (dtype === undefined) throw refuse(`element type ${data.element_type ?? 'missing'} is not supported`)
  const shape = (data.shape ?? '').trim() === '' ? [] : data.shape!.split(',').map(Number)
  const [offset, size] = [Number(data.offset), Number(data.size)]
  const wanted = (elementCount(shape) * dtypes[dtype].bits) / 8
  if (!(offset >= 0) || !(size >= 0) || offset + size > bin.byteLength)
    throw refuse(`bytes ${offset} to ${offset + size} of a .bin of ${bin.byteLength}`)
  if (size < wanted) throw refuse(`${size} bytes for shape [${shape.join()}] of ${dtype}, expected ${wanted}`)
  return { dtype, shape, bytes: bin.subarray(offset, offset + wanted) }
}

interface OutputFields {
  readonly builder: GraphBuilder
  readonly inputs: readonly ValueInfo[]
  readonly net: IrNet
  readonly values: ReadonlyMap<string, string>
}

/** Outputs with what the ports say of them. One that is an input, a constant or named already gets a name of its own. */
function outputsOf(results: readonly string[], { builder, inputs, net, values }: OutputFields): readonly ValueInfo[] {
  const ports = new Map(net.layers.flatMap(({ id, outputs }) => outputs.map(port => [values.get(`${id}:${port.id}`) ?? '', port] as const)))
  const taken = new Set(inputs.map(({ name }) => name))
  return results.map(value => {
    const port = ports.get(value)
    const isOwn = !taken.has(value) && builder.constant(value) === undefined
    const name = isOwn ? value : builder.addNode({ name: `${value}/result`, opType: 'Identity', inputs: [value] })
    taken.add(name)
    return { name, dtype: dtypeOf(port?.precision ?? ''), shape: port?.dims.map(size => (size < 0 ? undefined : size)) }
  })
}
