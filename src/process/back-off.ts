/** When to try again, as data. The wait before try n (0 = the first repetition) is first * factor^n, at most the ceiling, with jitter. */
export interface BackOff {
  readonly firstMs: number
  readonly factor: number
  readonly ceilingMs: number
  /** 0..1: the share of the wait that is left to chance, so that many do not try together. */
  readonly jitter: number
}

/** @param random in [0, 1) */
export function backOffMs({ firstMs, factor, ceilingMs, jitter }: BackOff, tries: number, random: () => number = Math.random): number {
  const wait = Math.min(ceilingMs, firstMs * factor ** tries)
  return wait * (1 - jitter * random())
}
