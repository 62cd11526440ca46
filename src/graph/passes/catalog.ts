import { canonicalHardSigmoid } from './canonical-hard-sigmoid.js'
import { canonicalHardSwish } from './canonical-hard-swish.js'
import { canonicalLayerNorm } from './canonical-layer-norm.js'
import { constantsToInitializers } from './constants-to-initializers.js'
import { type Pass, type Phase, phases } from './define-pass.js'
import { foldConstants } from './fold-constants.js'
import { foldShapes } from './fold-shapes.js'
import { fuseBatchNorm } from './fuse-batch-norm.js'
import { fuseBias } from './fuse-bias.js'
import { fusePad } from './fuse-pad.js'
import { fuseScale } from './fuse-scale.js'
import { inlineIf } from './inline-if.js'
import { meanToPool } from './mean-to-pool.js'
import { removeIdentity } from './remove-identity.js'
import { removeUnused } from './remove-unused.js'
import { scaleIntoNext } from './scale-into-next.js'
import { shiftIntoNext } from './shift-into-next.js'

export const passes = [
  canonicalHardSigmoid,
  canonicalHardSwish,
  canonicalLayerNorm,
  constantsToInitializers,
  foldConstants,
  foldShapes,
  fuseBatchNorm,
  fuseBias,
  fusePad,
  fuseScale,
  inlineIf,
  meanToPool,
  removeIdentity,
  removeUnused,
  scaleIntoNext,
  shiftIntoNext,
] as const satisfies readonly Pass[]

export type PassName = (typeof passes)[number]['name']

/** All passes, or those of one phase, in the order they run: by phase, then `after`, ties by name. */
export function orderedPasses(phase?: Phase): readonly Pass[] {
  const ordered: Pass[] = []
  for (const each of phases) {
    if (phase !== undefined && each !== phase) continue
    const left: Pass[] = passes.filter(pass => pass.phase === each).sort((a, b) => (a.name < b.name ? -1 : 1))
    while (left.length > 0) {
      const next = left.findIndex(pass => !left.some(other => pass.after?.includes(other.name)))
      ordered.push(...left.splice(Math.max(next, 0), 1))
    }
  }
  return ordered
}
