import { makeNode, type Node, string } from '../node.js'
import { openvinoDomain } from '../openvino-domain.js'
import type { DType } from '../tensor/dtype.js'
import { dtypeOf } from './element-types.js'
import type { ExportCall } from './export/export-call.js'
import type { IrLayer } from './net.js'

/** Prefix of the attributes that a passing layer keeps of its <data>. */
const dataPrefix = 'data:'

/** A layer that has no ONNX form, as a node that holds everything of it. */
export function passIn({ name, type, opset, data, outputs, rest }: IrLayer, values: Pick<Node, 'inputs' | 'outputs'>): Node {
  return makeNode({
    name,
    opType: type,
    domain: openvinoDomain,
    ...values,
    attributes: {
      opset: string(opset),
      rest: string(JSON.stringify(rest)),
      precisions: string(outputs.map(({ precision = 'UNSPECIFIED' }) => precision).join(',')),
      dims: string(JSON.stringify(outputs.map(({ dims }) => dims))),
      ...Object.fromEntries(Object.entries(data).map(([key, value]) => [`${dataPrefix}${key}`, string(value)])),
    },
  })
}

/** The layer of a node that `passIn` made. */
export function passOut(call: ExportCall): void {
  const { node, net } = call
  const text = (name: string) => {
    const attribute = node.attributes.get(name)
    return attribute?.kind === 'string' ? attribute.value : ''
  }
  const dtypes = text('precisions')
    .split(',')
    .map((name): DType | undefined => dtypeOf(name))
  const dims = JSON.parse(text('dims') || '[]') as readonly (readonly number[])[]
  const data = [...node.attributes].flatMap(([key, value]) =>
    key.startsWith(dataPrefix) && value.kind === 'string' ? [[key.slice(dataPrefix.length), value.value] as const] : [],
  )
  const outputs = node.outputs.map((value, index) => ({ dtype: dtypes[index], dims: dims[index] ?? [], names: [value] }))
  const rest = JSON.parse(text('rest') || '[]') as readonly unknown[]
  net
    .addAll({
      name: node.name,
      type: node.opType,
      opset: text('opset') || 'opset1',
      data: Object.fromEntries(data),
      inputs: call.inputs,
      outputs,
      rest,
    })
    .forEach((source, index) => {
      call.bind(index, source)
    })
}
