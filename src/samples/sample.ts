import type { Tensor } from '../graph/tensor/tensor.js'

/** What is known to be true of a sample: a class index, a row of numbers, or a text. */
export type Label = number | readonly number[] | string

/** One item that a model can be fed: a batch of one, its inputs named as the model names them. */
export interface Sample {
  readonly id: string
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly label?: Label
}

/** Samples in a fixed order, read one at a time and never all at once. */
export interface SampleSource {
  readonly count: number
  /** True when at least one sample carries a label. */
  readonly labelled: boolean
  /** sha256 of everything that `read` can return: names the samples in a report. */
  readonly hash: string
  /** @throws ERR_SAMPLES_READ naming the item */
  read(index: number): Promise<Sample>
  close(): Promise<void>
}
