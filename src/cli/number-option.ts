import { InvalidArgumentError } from 'commander'

export interface NumberRange {
  readonly low?: number
  readonly high?: number
  readonly integer?: boolean
}

/** Parser of a number option for commander; what is outside the range is a usage error that says the range. */
export function numberOption({ low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY, integer = false }: NumberRange = {}) {
  return (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isFinite(value) || value < low || value > high || (integer && !Number.isInteger(value))) {
      const from = Number.isFinite(low) ? ` from ${low}` : ''
      const to = Number.isFinite(high) ? ` to ${high}` : ''
      throw new InvalidArgumentError(`Expected ${integer ? 'an integer' : 'a number'}${from}${to}.`)
    }
    return value
  }
}
