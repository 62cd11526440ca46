import { createHash } from 'node:crypto'
import type { Graph } from '../../graph/graph.js'
import { intAttribute, isOp, type Node } from '../../graph/node.js'
import type { Shapes } from '../placement/shapes.js'
import type { Unit } from '../placement/unit.js'

/** Attributes that decide how long an operator takes. */
const decisive = [
  'auto_pad',
  'axis',
  'ceil_mode',
  'dilations',
  'group',
  'keepdims',
  'kernel_shape',
  'mode',
  'pads',
  'perm',
  'strides',
  'transB',
] as const

/**
 * What a unit's time hangs on, as text: operator, form, shapes, attributes, what is folded in. Units alike in all of them take the same time.
 * `Conv linear 1x16x20x20 w32x16x1x1 > 1x32x20x20 strides=2,2 + Relu`
 */
export function signatureOf(graph: Graph, shapes: Shapes, unit: Unit): string {
  const { main, form, folded, data, outputs, weight, bias } = unit
  const shapeOf = (value: string) => (graph.constant(value)?.shape ?? shapes.get(value) ?? []).join('x')
  const parts = [
    main.opType,
    form,
    ...data.map(shapeOf),
    ...(weight === undefined ? constantsOf(graph, main, data).map(value => `c${shapeOf(value)}`) : [`w${shapeOf(weight)}`]),
    ...(bias === undefined ? [] : ['b']),
    '>',
    unit.givesFloats === true ? 'float' : '',
    ...outputs.map(shapeOf),
    ...decisive.flatMap(name => attributeText(main, name)),
    ...folded.filter(node => isOp(node, 'Relu', 'Clip')).map(({ opType }) => `+ ${opType}`),
  ]
  return parts.filter(part => part !== '').join(' ')
}

/** Hash of the units of a model, whatever becomes of them. */
export function modelSignature(graph: Graph, shapes: Shapes, units: Iterable<Unit>): string {
  const lines = [...units].map(unit => signatureOf(graph, shapes, unit))
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex').slice(0, 32)
}

const constantsOf = (graph: Graph, { inputs }: Node, data: readonly string[]) =>
  inputs.filter(input => !data.includes(input) && graph.constant(input)?.dtype === 'float32')

function attributeText(node: Node, name: string): readonly string[] {
  const attribute = node.attributes.get(name)
  if (attribute === undefined || (name === 'group' && intAttribute(node, name, 1) === 1)) return []
  return attribute.kind === 'int' || attribute.kind === 'string' || attribute.kind === 'ints' ? [`${name}=${String(attribute.value)}`] : []
}
