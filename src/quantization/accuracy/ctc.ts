import type { Tensor } from '../../graph/tensor/tensor.js'

/**
 * Greedy text of a CTC output `[1, steps, classes]` (or `[steps, classes]`): the best class of each step, repeats merged, class 0 (blank) dropped, spaces
 * trimmed at both ends.
 * @param alphabet symbol of each class; class 0 is blank
 */
export function decodeCtc({ shape, data }: Tensor, alphabet: readonly string[]): string {
  const classes = shape.at(-1)!
  const values = data as Float32Array
  let text = ''
  let previous = -1
  for (let start = 0; start + classes <= values.length; start += classes) {
    const best = argMax(values, start, classes)
    if (best !== previous && best !== 0) text += alphabet[best] ?? ''
    previous = best
  }
  return text.trim()
}

/** Index of the largest of `count` values from `start`; the first of equals. */
export function argMax(values: ArrayLike<number | bigint>, start = 0, count = values.length): number {
  let best = 0
  for (let i = 1; i < count; i += 1) if (values[start + i]! > values[start + best]!) best = i
  return best
}
