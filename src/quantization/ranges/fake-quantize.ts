import { roundHalfEven } from '../../graph/tensor/round-half-even.js'

/** FakeQuantize-1 with limits per tensor; input and output limits are the same for a quantizer, differ for a requantizer. */
export interface FakeQuantize {
  readonly inputLow: number
  readonly inputHigh: number
  readonly outputLow: number
  readonly outputHigh: number
  readonly levels: number
}

/**
 * The reference of FakeQuantize (quantization.md 1.1), in float32 steps in the order in which the specification writes them. The lower comparison holds
 * at the limit, the upper one does not.
 */
export function fakeQuantize(value: number, { inputLow, inputHigh, outputLow, outputHigh, levels }: FakeQuantize): number {
  const x = Math.fround(value)
  const [il, ih, ol, oh] = [inputLow, inputHigh, outputLow, outputHigh].map(Math.fround) as [number, number, number, number]
  if (x <= Math.min(il, ih)) return ol
  if (x > Math.max(il, ih)) return oh
  const f = Math.fround
  const top = levels - 1
  const code = roundHalfEven(f(f(f(x - il) / f(ih - il)) * top))
  return f(f(f(code / top) * f(oh - ol)) + ol)
}
