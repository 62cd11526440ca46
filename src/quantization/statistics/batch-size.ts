import { elementCount } from '../../graph/tensor/tensor.js'
import type { Shapes } from '../placement/shapes.js'

/** Bytes of float values that one run may compute: small models gain from batches, large ones would only take memory. */
const bytesPerRun = 16 * 2 ** 20
const largestBatch = 16

/**
 * Samples that one run may carry with every value still reduced sample by sample: 1 unless twice the samples made axis 0 of every value twice as long and
 * changed nothing else.
 * @param doubled shapes at two samples; undefined when the model does not take them
 */
export function batchSize(single: Shapes, doubled: Shapes | undefined): number {
  if (doubled === undefined || single.size === 0) return 1
  let bytes = 0
  for (const [value, shape] of single) {
    const twice = doubled.get(value)
    const grows = shape.length > 0 && twice?.[0] === 2 * shape[0]! && shape[0] === 1 && twice.slice(1).join() === shape.slice(1).join()
    if (!grows) return 1
    bytes += 4 * elementCount(shape)
  }
  return Math.max(1, Math.min(largestBatch, Math.floor(bytesPerRun / bytes)))
}
