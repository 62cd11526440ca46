import type { SampleSource } from '../../samples/sample.js'
import { holdOut, subset } from '../../samples/split.js'
import { fewestItems } from '../accuracy/tally.js'

export interface TuningItemsOptions {
  /** Calibration samples. */
  readonly samples: SampleSource
  readonly heldOut: SampleSource
  /** Samples that the caller wants steps held to; decides when it is there. */
  readonly validation?: SampleSource
}

export interface TuningItems {
  /** What every step is held to. */
  readonly tuning: SampleSource
  /** What the judge is left with; nothing was chosen by these. */
  readonly heldOut: SampleSource
  /** One sentence for the report: on what, and what the judge has. */
  readonly why: string
}

/** Part of the held-out items that tuning takes when it has no labels of its own. */
const tuningShare = 1 / 2
/** Parts the same items the same way every time. */
const seed = 48

/**
 * Which items accuracy-aware quantization holds its steps to, so that the judge has others: a drop that was searched for on some items is no proof on them.
 * What the caller names; else the labelled calibration samples, when there are enough; else half of the labelled held-out ones; else all calibration
 * samples, held to what float answers.
 */
export async function tuningItems({ samples, heldOut, validation }: TuningItemsOptions): Promise<TuningItems> {
  const judge = `the judge has ${heldOut.count} other items`
  if (validation !== undefined) {
    return { tuning: validation, heldOut, why: `steps are held to the ${validation.count} validation samples that were given; ${judge}` }
  }
  const labelled = await labelledOf(samples)
  if (labelled.count >= fewestItems) {
    return { tuning: labelled, heldOut, why: `steps are held to the labels of ${labelled.count} calibration samples; ${judge}` }
  }
  const truths = await labelledOf(heldOut)
  if (truths.count >= 2 * fewestItems) {
    const parts = holdOut(heldOut, { share: tuningShare, seed })
    const tuning = await labelledOf(parts.heldOut)
    const why = `the calibration samples have no labels: steps are held to ${tuning.count} of the held-out items, and the judge has the other ${parts.kept.count}`
    return { tuning, heldOut: parts.kept, why }
  }
  return {
    tuning: samples,
    heldOut,
    why: `there are too few labels: steps are held to what float answers to ${samples.count} calibration samples; ${judge}`,
  }
}

/** The samples that carry a label, in their order. */
async function labelledOf(source: SampleSource): Promise<SampleSource> {
  if (!source.labelled) return subset(source, [])
  const indices: number[] = []
  for (let index = 0; index < source.count; index += 1) if ((await source.read(index)).label !== undefined) indices.push(index)
  return indices.length === source.count ? source : subset(source, indices)
}
