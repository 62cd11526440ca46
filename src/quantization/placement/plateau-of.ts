import { floatAttribute, isOp, type Node } from '../../graph/node.js'

/** Default alpha of Selu times its gamma: where it ends below 0. */
const seluAlpha = 1.6732632
const seluGamma = 1.050701

/** Where an activation saturates below 0, so that many elements stand at one value; empty for every other operator. */
export function plateauOf(producer: Node | undefined): { readonly plateau?: number } {
  if (isOp(producer, 'Elu', 'Celu')) {
    const alpha = floatAttribute(producer, 'alpha', 1)
    return alpha > 0 ? { plateau: -alpha } : {}
  }
  if (!isOp(producer, 'Selu')) return {}
  const plateau = -floatAttribute(producer, 'alpha', seluAlpha) * floatAttribute(producer, 'gamma', seluGamma)
  return plateau < 0 ? { plateau } : {}
}
