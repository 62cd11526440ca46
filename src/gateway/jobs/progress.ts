import type { Part, Stage } from '../../quantization/contract.js'
import type { JobStage } from './job.js'
import type { JobUpdate } from './job-kind.js'

/** Where a stage of the pipeline stands in the whole job: the share that it begins at, and the one that it ends at. */
interface Span {
  readonly stage: JobStage
  readonly from: number
  readonly to: number
}

/** Shares of the time that a requantize took on fashion-resnet and the OCR recognizer, rounded. */
const spans: Readonly<Record<Stage | 'store' | 'time' | 'switch', Span>> = {
  import: { stage: 'calibrate', from: 0.02, to: 0.05 },
  place: { stage: 'calibrate', from: 0.05, to: 0.06 },
  observe: { stage: 'calibrate', from: 0.06, to: 0.3 },
  quantize: { stage: 'quantize', from: 0.3, to: 0.4 },
  evaluate: { stage: 'evaluate', from: 0.4, to: 0.6 },
  rank: { stage: 'evaluate', from: 0.42, to: 0.55 },
  revert: { stage: 'evaluate', from: 0.55, to: 0.63 },
  lower: { stage: 'quantize', from: 0.6, to: 0.63 },
  verify: { stage: 'evaluate', from: 0.63, to: 0.66 },
  judge: { stage: 'evaluate', from: 0.66, to: 0.85 },
  store: { stage: 'compile', from: 0.85, to: 0.87 },
  time: { stage: 'warm', from: 0.87, to: 0.98 },
  switch: { stage: 'activate', from: 0.98, to: 1 },
}

/** What a worker does for each of several devices lies between the end of what is done once for all and the judge. */
const partsFrom = spans.observe.to
const partsTo = spans.judge.from

/** Stage and share of the whole job when `share` (0..1) of one step is done; `part` where that is one device's own among several. */
export function jobProgress(step: keyof typeof spans, share: number, part?: Part): { readonly stage: JobStage; readonly progress: number } {
  const { stage, from, to } = spans[step]
  const progress = from + (to - from) * Math.min(1, Math.max(0, share))
  if (part === undefined || progress < partsFrom || progress > partsTo) return { stage, progress }
  return {
    stage,
    progress: partsFrom + ((part.index + (progress - partsFrom) / (partsTo - partsFrom)) / part.count) * (partsTo - partsFrom),
  }
}

/** Share of the whole job in which forms are made; the rest is what is done with all of them. */
const makingEnds = spans.store.to

/** Maps the progress of one of several tasks, as if it were the whole job, to that of the job in which they follow each other. */
export function partProgress(update: (update: JobUpdate) => void, { index, count }: Part): (update: JobUpdate) => void {
  return ({ progress, etaS, ...rest }) => {
    const share = Math.min(1, progress / makingEnds)
    // What one task may still take says little of those that follow it.
    const eta = etaS === undefined || count > 1 ? {} : { etaS }
    update({ ...rest, ...eta, progress: ((index + share) / count) * makingEnds })
  }
}
