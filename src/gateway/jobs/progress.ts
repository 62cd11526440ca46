import type { Stage } from '../../quantization/contract.js'
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

/** Stage and share of the whole job when `share` (0..1) of one step is done. */
export function jobProgress(step: keyof typeof spans, share: number): { readonly stage: JobStage; readonly progress: number } {
  const { stage, from, to } = spans[step]
  return { stage, progress: from + (to - from) * Math.min(1, Math.max(0, share)) }
}

/** Share of the whole job in which candidates are made; the rest is what is done with all of them. */
const makingEnds = spans.store.to

/** Maps the progress of one of several candidates, as if it were the whole job, to that of the job in which they follow each other. */
export function partProgress(
  update: (update: JobUpdate) => void,
  { index, count }: { readonly index: number; readonly count: number },
): (update: JobUpdate) => void {
  return ({ progress, etaS, ...rest }) => {
    const share = Math.min(1, progress / makingEnds)
    // What one candidate may still take says little of those that follow it.
    const eta = etaS === undefined || count > 1 ? {} : { etaS }
    update({ ...rest, ...eta, progress: ((index + share) / count) * makingEnds })
  }
}
