import { XMLParser } from 'fast-xml-parser'
import { errorMessage, QuantdError } from '../../errors.js'
import type { IrEdge, IrLayer, IrNet, IrPort } from './net.js'

/** An element in the order-preserving form of fast-xml-parser: { tag: children, ':@': attributes }. */
type Element = Readonly<Record<string, unknown>>

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
})

const tagOf = (element: Element): string => Object.keys(element).find(key => key !== ':@') ?? ''
const childrenOf = (element: Element): readonly Element[] => (element[tagOf(element)] as readonly Element[] | undefined) ?? []
const attributesOf = (element: Element): Readonly<Record<string, string>> => (element[':@'] as Record<string, string> | undefined) ?? {}
const named = (elements: readonly Element[], tag: string): readonly Element[] => elements.filter(element => tagOf(element) === tag)

/** @throws ERR_IR_READ */
export function parseNet(xml: string): IrNet {
  let root: readonly Element[]
  try {
    root = parser.parse(xml) as readonly Element[]
  } catch (error) {
    throw new QuantdError('ERR_IR_READ', `the .xml is no XML: ${errorMessage(error)}`, { cause: error })
  }
  const net = named(root, 'net')[0]
  if (net === undefined) throw new QuantdError('ERR_IR_READ', 'the .xml has no <net>')
  const { name = '', version } = attributesOf(net)
  if (version !== '10' && version !== '11') throw new QuantdError('ERR_IR_READ', `IR version ${version ?? 'missing'}: expected 10 or 11`)
  const children = childrenOf(net)
  const layers = named(children, 'layers').flatMap(childrenOf)
  const edges = named(children, 'edges').flatMap(childrenOf)
  return {
    name,
    version: Number(version),
    layers: named(layers, 'layer').map(parseLayer),
    edges: named(edges, 'edge').map(parseEdge),
    rest: children.filter(element => !['layers', 'edges'].includes(tagOf(element))),
  }
}

function parseLayer(element: Element): IrLayer {
  const { id, name, type, version } = attributesOf(element)
  if (id === undefined || type === undefined) throw new QuantdError('ERR_IR_READ', `a layer has no ${id === undefined ? 'id' : 'type'}`)
  const children = childrenOf(element)
  const ports = (side: string) => named(children, side).flatMap(childrenOf).map(parsePort)
  return {
    id: Number(id),
    name: name ?? id,
    type,
    opset: version ?? 'opset1',
    data: Object.assign({}, ...named(children, 'data').map(attributesOf)) as Record<string, string>,
    inputs: ports('input'),
    outputs: ports('output'),
    rest: children.filter(child => !['data', 'input', 'output'].includes(tagOf(child))),
  }
}

function parsePort(element: Element): IrPort {
  const { id, precision, names } = attributesOf(element)
  const dims = named(childrenOf(element), 'dim').map(dim => Number((childrenOf(dim)[0] as { '#text'?: string } | undefined)?.['#text']))
  // A comma within a name is written \,
  const split = names === undefined || names === '' ? [] : names.split(/(?<!\\),/).map(name => name.replaceAll('\\,', ','))
  return { id: Number(id), precision, dims, names: split }
}

function parseEdge(element: Element): IrEdge {
  const attributes = attributesOf(element)
  const number = (key: string) => Number(attributes[key])
  return { fromLayer: number('from-layer'), fromPort: number('from-port'), toLayer: number('to-layer'), toPort: number('to-port') }
}
