import { QuantdError } from '../../errors.js'
import type { Dimension, Model } from '../graph.js'
import type { Node } from '../node.js'
import { isOp } from '../node.js'
import { openvinoDomain } from '../openvino-domain.js'
import { elementType } from './element-types.js'
import { elementwiseExports } from './export/elementwise.js'
import { ExportCall, type ExportOp, type KnownShapes } from './export/export-call.js'
import { linearExports } from './export/linear.js'
import { movementExports } from './export/movement.js'
import { normalizeExports } from './export/normalize.js'
import { poolingExports } from './export/pooling.js'
import { fakeQuantize, quantizeExports } from './export/quantize.js'
import { recurrentExports } from './export/recurrent.js'
import { formatNet } from './format-net.js'
import { NetWriter, type Source } from './net-writer.js'
import { passOut } from './unknown-layers.js'

const exports: Readonly<Record<string, ExportOp>> = {
  ...elementwiseExports,
  ...linearExports,
  ...movementExports,
  ...normalizeExports,
  ...poolingExports,
  ...quantizeExports,
  ...recurrentExports,
}

export interface WriteIrOptions {
  /** Shapes at one sample of the values that the graph computes; ranks are taken from them. */
  readonly shapes?: KnownShapes
  /** 11 is read from OpenVINO 2022.1 on, 10 from 2020.1 on. Default 11. */
  readonly version?: 10 | 11
}

/** The two files of an IR model. */
export interface IrFiles {
  readonly xml: string
  readonly bin: Uint8Array
}

/**
 * `model` as OpenVINO IR: FakeQuantize of the domain org.openvinotoolkit stands as it is, constants under DequantizeLinear become compressed weights, and
 * layers that came from an IR file and have no ONNX form go back unchanged. Inputs and outputs keep their names as tensor names.
 * @throws ERR_IR_OP naming the first node that has no IR form
 */
export function writeIr(model: Model, { shapes = new Map(), version = 11 }: WriteIrOptions = {}): IrFiles {
  const { graph } = model
  const net = new NetWriter()
  const sources = new Map<string, Source>()
  const isFixed = graph.inputs.every(({ shape }) => shape?.every(size => typeof size === 'number') === true)
  const dims = (value: string): readonly number[] => {
    const declared = graph.valueInfo.get(value)?.shape ?? graph.outputs.find(({ name }) => name === value)?.shape
    if (declared !== undefined) return sizes(declared)
    const known = shapes.get(value) ?? []
    return isFixed ? known : known.map(() => -1)
  }
  for (const { name, dtype, shape } of graph.inputs) {
    const type = dtype === undefined ? undefined : elementType(dtype)
    if (type === undefined || shape === undefined) throw new QuantdError('ERR_IR_OP', `input '${name}': its type or rank has no IR form`)
    const data = {
      shape: sizes(shape)
        .map(size => (size === -1 ? '?' : String(size)))
        .join(','),
      element_type: type,
    }
    sources.set(name, net.add({ name, type: 'Parameter', data, inputs: [], outputs: [{ dtype, dims: sizes(shape), names: [name] }] }))
  }
  for (const node of graph.nodes) {
    const call = new ExportCall({ node, net, graph, opset: model.opsets.get('') ?? 1, shapes, sources, dims })
    const write = exporterOf(node)
    if (write === undefined) throw call.refuse('there is no such operator in IR')
    write(call)
  }
  for (const { name } of graph.outputs) {
    const source = sources.get(name) ?? constantOutput(model, net, name)
    net.addAll({ name, type: 'Result', inputs: [source], outputs: [] })
  }
  const { net: finished, weights } = net.finish({ name: graph.name || 'model', version })
  return { xml: formatNet(finished), bin: weights }
}

function exporterOf(node: Node): ExportOp | undefined {
  if (node.opType === 'FakeQuantize') return fakeQuantize
  if (node.domain === openvinoDomain) return passOut
  return isOp(node, node.opType) ? exports[node.opType] : undefined
}

function constantOutput({ graph }: Model, net: NetWriter, name: string): Source {
  const tensor = graph.constant(name)
  if (tensor === undefined) throw new QuantdError('ERR_IR_OP', `output '${name}' is computed by nobody`)
  return net.constant(name, tensor)
}

const sizes = (shape: readonly Dimension[]): readonly number[] => shape.map(size => (typeof size === 'number' && size >= 0 ? size : -1))
