import { XMLBuilder } from 'fast-xml-parser'
import type { IrLayer, IrNet, IrPort } from './net.js'

const builder = new XMLBuilder({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  format: true,
  indentBy: '\t',
  suppressEmptyNode: true,
})

const element = (tag: string, attributes: Readonly<Record<string, string | number>>, children: readonly unknown[] = []) => ({
  [tag]: children,
  ...(Object.keys(attributes).length === 0 ? {} : { ':@': attributes }),
})

/** The .xml of a net. */
export function formatNet({ name, version, layers, edges, rest }: IrNet): string {
  const net = element('net', { name, version }, [
    element('layers', {}, layers.map(formatLayer)),
    element(
      'edges',
      {},
      edges.map(edge =>
        element('edge', { 'from-layer': edge.fromLayer, 'from-port': edge.fromPort, 'to-layer': edge.toLayer, 'to-port': edge.toPort }),
      ),
    ),
    ...rest,
  ])
  return `<?xml version="1.0"?>\n${(builder.build([net]) as string).trimStart()}`
}

function formatLayer({ id, name, type, opset, data, inputs, outputs, rest }: IrLayer) {
  return element('layer', { id, name, type, version: opset }, [
    ...(Object.keys(data).length === 0 ? [] : [element('data', data)]),
    ...(inputs.length === 0 ? [] : [element('input', {}, inputs.map(formatPort))]),
    ...(outputs.length === 0 ? [] : [element('output', {}, outputs.map(formatPort))]),
    ...rest,
  ])
}

function formatPort({ id, precision, dims, names }: IrPort) {
  const attributes = {
    id,
    ...(precision === undefined ? {} : { precision }),
    ...(names.length === 0 ? {} : { names: names.map(name => name.replaceAll(',', '\\,')).join(',') }),
  }
  return element(
    'port',
    attributes,
    dims.map(size => element('dim', {}, [{ '#text': String(size) }])),
  )
}
