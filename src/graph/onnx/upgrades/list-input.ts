import { changeAttributes } from '../../edit.js'
import { type Attribute, changeNode, type Node } from '../../node.js'
import { constant } from '../../tensor/tensor.js'
import type { UpgradeContext } from './upgrade.js'

/** Integers of an attribute to the last bit: its source where it was read (INT64_MAX as an open end), else its numbers. */
export function exactInts(attribute: Attribute | undefined): readonly bigint[] | undefined {
  if (attribute?.kind === 'int') return [attribute.source?.i ?? BigInt(attribute.value)]
  if (attribute?.kind !== 'ints') return undefined
  return attribute.source?.ints ?? attribute.value.map(BigInt)
}

/** Moves the integer list `name` of `node` from its attributes to input `index`, as an int64 vector. Without the attribute the node stays as it is. */
export function listToInput(
  node: Node,
  { name, index, addConstant }: { name: string; index: number } & Pick<UpgradeContext, 'addConstant'>,
): Node {
  const values = exactInts(node.attributes.get(name))
  if (values === undefined) return node
  const input = addConstant(`${node.name}_${name}`, constant('int64', [values.length], BigInt64Array.from(values)))
  return changeNode(changeAttributes(node, { drop: [name] }), { inputs: withInput(node.inputs, index, input) })
}

/** `inputs` with `value` at `index`, absent ones before it as ''. */
export function withInput(inputs: readonly string[], index: number, value: string): readonly string[] {
  const whole = Array.from({ length: Math.max(inputs.length, index + 1) }, (_, at) => inputs[at] ?? '')
  whole[index] = value
  return whole
}
