import { elementCount } from '../../graph/tensor/tensor.js'
import type { Shapes } from '../placement/shapes.js'

/** Elements of all values of a sample up to which a model is small. */
const smallElements = 4 * 2 ** 20

/** Whether one run computes so little that handing its parts to threads takes as long as computing them. */
export const isSmall = (shapes: Shapes): boolean =>
  [...shapes.values()].reduce((sum, shape) => sum + elementCount(shape), 0) <= smallElements

/**
 * Threads of a session that observes a model: one for a small one, whose operators and reductions are over before a second thread is awake (BlazeFace: 2.7 ms a
 * sample, with two threads 3.4). Threads that spin in place of sleeping are faster on an idle machine alone: beside one busy process they take 1.6 to 1.9 times
 * as long as those that sleep, and a gateway has others to serve.
 */
export const sessionThreads = (shapes: Shapes, threads: number): number => (isSmall(shapes) ? 1 : threads)
