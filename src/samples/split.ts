import { createHash } from 'node:crypto'
import { QuantdError } from '../errors.js'
import type { SampleSource } from './sample.js'
import { shuffled } from './shuffle.js'

/** The samples of `source` at `indices`, in that order. Closing it leaves `source` open: whoever opened that closes it. */
export function subset(source: SampleSource, indices: readonly number[]): SampleSource {
  for (const index of indices) {
    if (Number.isInteger(index) && index >= 0 && index < source.count) continue
    throw new QuantdError('ERR_SAMPLES_READ', `no sample ${index} for a subset; there are ${source.count}`)
  }
  const hash = createHash('sha256')
    .update(JSON.stringify([source.hash, indices]))
    .digest('hex')
  return {
    count: indices.length,
    labelled: source.labelled,
    hash,
    read: async index => {
      const original = indices[index]
      if (original === undefined) throw new QuantdError('ERR_SAMPLES_READ', `no sample ${index}; the subset has ${indices.length}`)
      return source.read(original)
    },
    close: async () => {},
  }
}

export interface HoldOutOptions {
  /** Part of the samples that is held out, 0..1; rounded to whole samples. */
  readonly share: number
  readonly seed: number
}

/** Parts `source` by lot: the same seed and count give the same parts. Both keep the order of the source. Neither closes it. */
export function holdOut(
  source: SampleSource,
  { share, seed }: HoldOutOptions,
): { readonly kept: SampleSource; readonly heldOut: SampleSource } {
  const order = shuffled(source.count, seed)
  const count = Math.round(source.count * Math.min(1, Math.max(0, share)))
  const ascending = (indices: readonly number[]) =>
    subset(
      source,
      [...indices].sort((a, b) => a - b),
    )
  return { kept: ascending(order.slice(count)), heldOut: ascending(order.slice(0, count)) }
}
