/** Samples whose own figures are kept at most, for medians and for means without outliers. */
export const keptSamples = 512

/** One sample in how many is kept, evenly from the first, so that at most `limit` and never more than `keptSamples` are; at least one. */
export const keptEvery = (sampleCount: number, limit = keptSamples): number =>
  Math.max(1, Math.ceil(sampleCount / Math.max(1, Math.min(limit, keptSamples))))
