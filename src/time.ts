import { QuantdError } from './errors.js'

/** Milliseconds on the monotonic clock: the only clock for deadlines, since gateways start in 1970 and jump. */
export const monotonicMs = (): number => performance.now()

/** What waits or dates things is handed a clock, so that a test can hand in another. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number
  /** Wall clock, milliseconds since 1970; may jump. */
  wall(): number
  /** Resolves after `ms`; rejects with ERR_ABORTED when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: monotonicMs,
  wall: Date.now,
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const aborted = () => {
        clearTimeout(timer)
        reject(new QuantdError('ERR_ABORTED', 'wait aborted', { cause: signal?.reason }))
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', aborted)
        resolve()
      }, ms)
      if (signal?.aborted) aborted()
      else signal?.addEventListener('abort', aborted, { once: true })
    }),
}

/** Waits for `promise` at most `limitMs`. @throws ERR_TIMEOUT naming `operation` and the limit */
export async function withTimeout<T>(promise: Promise<T>, limitMs: number, operation: string): Promise<T> {
  const late = new QuantdError('ERR_TIMEOUT', `${operation}: no answer within ${limitMs} ms`, { details: { operation, limitMs } })
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(late), limitMs)
      }),
    ])
  } finally {
    clearTimeout(timer)
  }
}
