import type { z } from 'zod'
import type { CaptureSettings } from '../../samples/manifest.js'
import type { EncodedRequest } from '../../samples/request.js'
import type { Label } from '../../samples/sample.js'

export interface CaptureState {
  readonly model: string
  readonly mode: 'on' | 'off'
  /** Why it stands still although it is on: 'disk full', 'budget'. */
  readonly stopped: string | undefined
  readonly samples: number
  readonly reservoir: number
  readonly leastConfident: number
  readonly labelled: number
  readonly bytes: number
  readonly seen: number
}

/** One captured request: a file readable by the daemon alone, and its row in the index. */
export interface CapturedSample extends Omit<EncodedRequest, 'body'> {
  readonly id: string
  readonly path: string
  /** reservoir samples are an unbiased picture of the traffic; least-confident ones are not, and never judge. */
  readonly pool: 'reservoir' | 'least-confident'
  readonly label?: Label
}

/** What a site's own traffic leaves behind for calibration: per model a reservoir plus the least confident, within bytes and age. Survives restarts. */
export interface Capture {
  configure(model: string, settings: z.infer<typeof CaptureSettings>): Promise<void>
  /** Never blocks, never throws: the decision is made at once, the write goes to a thread of its own. */
  offer(model: string, request: EncodedRequest & { readonly id?: string }, answer: { readonly confidence?: number }): void
  /** The truth about an answered request; counted when the sample is gone. @returns whether a sample was found */
  label(model: string, id: string, label: Label): Promise<boolean>
  state(model: string): CaptureState
  /** A fixed list for a job, in id order of capture; the files stay until `release`. */
  snapshot(model: string): Promise<{ readonly samples: readonly CapturedSample[]; release(): Promise<void> }>
  erase(model: string): Promise<number>
  /** Resolves when everything offered so far is on disk. */
  flush(): Promise<void>
  close(): Promise<void>
}
