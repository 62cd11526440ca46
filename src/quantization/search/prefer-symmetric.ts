import type { Evaluation } from '../evaluate.js'
import { isThorough, recipeFor, type Schemes } from './choose-recipe.js'
import type { CandidateOpener, Opened } from './open-candidates.js'
import { decibels, isNearlyLossless, nearlyLosslessDb } from './score.js'

/** In its signal as well, where text is read: that few samples are read alike says little of two candidates that far apart. */
const isAmple = (evaluation: Evaluation): boolean => (evaluation.snr_db ?? 0) >= nearlyLosslessDb && isNearlyLossless(evaluation)

export interface PreferSymmetricOptions {
  readonly opener: CandidateOpener
  readonly schemes: Schemes
  /** The recipe that measuring chose, and why. */
  readonly start: Opened & { readonly why: string }
}

/** Estimators that are tried: what the first ones leave far from lossless the others do as well. */
const mostEstimators = 3

/**
 * OpenVINO takes a zero point off inside each product, in slower kernels where an activation with slopes per channel follows (fashion-elu 0.148 against
 * 0.126 ms): where an asymmetric result is nearly lossless and a symmetric one is as well, that one is taken. The loser is closed.
 */
export async function preferSymmetric({ opener, schemes, start }: PreferSymmetricOptions): Promise<Opened & { readonly why: string }> {
  const { spec, settings } = opener.options.request
  const { recipe } = start.candidate
  const isOpen = spec.placement === 'openvino' && schemes.modes.includes('symmetric') && !isThorough(settings)
  if (!isOpen || recipe.mode === 'symmetric' || !isAmple(start.evaluation)) return start
  const estimators = [...new Set([recipe.estimator, ...schemes.estimators])].slice(0, mostEstimators)
  for (const estimator of estimators) {
    const opened = await opener.open(start.maker, await recipeFor(opener, start.maker, { ...recipe, mode: 'symmetric', estimator }))
    if (isAmple(opened.evaluation)) {
      await start.session.close()
      const figures = `asymmetric ${decibels(start.evaluation)}, symmetric ${decibels(opened.evaluation)} against float`
      return { ...opened, why: `symmetric is nearly lossless as well and needs no zero points, which cost time there: ${figures}` }
    }
    await opened.session.close()
  }
  return start
}
