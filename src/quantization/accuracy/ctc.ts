import type { Tensor } from '../../graph/tensor/tensor.js'
import { rowMaxima } from './row-maxima.js'

/**
 * Greedy text of a CTC output `[1, steps, classes]` (or `[steps, classes]`): the best class of each step, repeats merged, class 0 (blank) dropped, spaces
 * trimmed at both ends.
 * @param alphabet symbol of each class; class 0 is blank
 */
export function decodeCtc(output: Tensor, alphabet: readonly string[]): string {
  let text = ''
  let previous = -1
  for (const best of rowMaxima(output)) {
    if (best !== previous && best !== 0) text += alphabet[best] ?? ''
    previous = best
  }
  return text.trim()
}
