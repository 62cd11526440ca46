import { QuantdError } from '../../../errors.js'
import type { Node } from '../../node.js'
import type { Facts } from '../../ops/facts.js'
import type { ConstantTensor } from '../../tensor/tensor.js'

export interface UpgradeContext {
  /** ai.onnx version that the node was written for. */
  readonly opset: number
  readonly facts: (value: string) => Facts
  /** Adds a constant to the graph of the node and returns its name. */
  readonly addConstant: (base: string, tensor: ConstantTensor) => string
  /** A fresh name for a value or node. */
  readonly uniqueName: (base: string) => string
}

/** How one operator of an older set is said in ai.onnx 17. */
export interface Upgrade {
  readonly ops: readonly string[]
  /** Nodes of ai.onnx 17 that compute the same, outputs under the same names; [node] when nothing changes. @throws ERR_ONNX_UPGRADE */
  readonly apply: (node: Node, context: UpgradeContext) => readonly Node[]
}

export function defineUpgrade(upgrade: Upgrade): Upgrade {
  return Object.freeze(upgrade)
}

export function cannotUpgrade(node: Node, opset: number, why: string): QuantdError {
  return new QuantdError('ERR_ONNX_UPGRADE', `node '${node.name}' (${node.opType} of ai.onnx ${opset}): ${why}`, {
    details: { node: node.name, op: node.opType, opset },
  })
}
