import { makeNode, type Node } from '../../node.js'
import { scalar } from '../../tensor/tensor.js'
import type { UpgradeContext } from './upgrade.js'

/**
 * A scalar constant of the element type of `value`: float32 and float64 directly, other and unknown types by a CastLike (ai.onnx 15) in `nodes`.
 */
export function likeScalar(
  number: number,
  { base, value, context }: { base: string; value: string; context: UpgradeContext },
): { name: string; nodes: readonly Node[] } {
  const { dtype } = context.facts(value)
  if (dtype === 'float64') return { name: context.addConstant(base, scalar('float64', Float64Array.of(number))), nodes: [] }
  const plain = context.addConstant(base, scalar('float32', Float32Array.of(number)))
  if (dtype === 'float32') return { name: plain, nodes: [] }
  const name = context.uniqueName(`${base}_cast`)
  return { name, nodes: [makeNode({ name, opType: 'CastLike', inputs: [plain, value], outputs: [name] })] }
}
