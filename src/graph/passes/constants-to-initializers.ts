import type { Attribute } from '../node.js'
import { isOp } from '../node.js'
import { type ConstantTensor, constant, scalar } from '../tensor/tensor.js'
import { definePass } from './define-pass.js'

/**
 * Constant() -> c  becomes  initializer c.
 * A constant that is a result of the graph stays a node; sparse ones stay too.
 */
export const constantsToInitializers = definePass({
  name: 'constants-to-initializers',
  phase: 'import',
  apply(graph) {
    const gone = graph.nodes.filter(node => {
      const [output] = node.outputs
      if (!isOp(node, 'Constant') || output === undefined || graph.isOutput(output)) return false
      const value = constantOf(node.attributes)
      if (value === undefined) return false
      graph.initializers.set(output, value)
      graph.valueInfo.delete(output)
      return true
    })
    if (gone.length > 0) graph.removeNodes(gone)
    return gone.length
  },
})

/** The forms of Constant-13: value, value_float, value_floats, value_int, value_ints, value_string, value_strings. */
function constantOf(attributes: ReadonlyMap<string, Attribute>): ConstantTensor | undefined {
  const [[, attribute] = []] = attributes
  if (attributes.size !== 1 || attribute === undefined) return undefined
  switch (attribute.kind) {
    case 'tensor':
      return attribute.value
    case 'float':
      return scalar('float32', Float32Array.of(attribute.value))
    case 'floats':
      return constant('float32', [attribute.value.length], Float32Array.from(attribute.value))
    case 'int':
      return scalar('int64', BigInt64Array.of(attribute.source?.i ?? BigInt(attribute.value)))
    case 'ints':
      return constant('int64', [attribute.value.length], BigInt64Array.from(attribute.source?.ints ?? attribute.value.map(BigInt)))
    case 'string':
      return {
        dtype: 'string',
        shape: [],
        bytes: new Uint8Array(),
        strings: [attribute.source?.s ?? new TextEncoder().encode(attribute.value)],
      }
    case 'strings': {
      const strings = attribute.source?.strings ?? attribute.value.map(text => new TextEncoder().encode(text))
      return { dtype: 'string', shape: [strings.length], bytes: new Uint8Array(), strings }
    }
    default:
      return undefined
  }
}
