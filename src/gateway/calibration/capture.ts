import type { CaptureSettings } from '../../samples/manifest.js'
import type { EncodedRequest } from '../../samples/request.js'
import type { Label } from '../../samples/sample.js'

export interface CaptureState {
  readonly model: string
  readonly mode: 'on' | 'off'
  /** Why it stands still although it is on: 'disk full', 'budget' (one request is larger than all that the model may keep), or the writer's failure. */
  readonly stopped: string | undefined
  readonly samples: number
  readonly reservoir: number
  readonly leastConfident: number
  readonly labelled: number
  readonly bytes: number
  /** Requests that the sampling rule has considered. */
  readonly seen: number
  /** Requests that it could not consider: queue to the writer full, disk full. */
  readonly dropped: number
}

/** Capture of a model that is on stood still, or goes on again. */
export type CaptureEvent =
  | { readonly kind: 'stopped'; readonly model: string; readonly reason: string }
  | { readonly kind: 'resumed'; readonly model: string }

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
  configure(model: string, settings: CaptureSettings): Promise<void>
  /** Never blocks, never throws: the decision is made at once, the write goes to a thread of its own. */
  offer(model: string, request: EncodedRequest & { readonly id?: string }, answer: { readonly confidence?: number }): void
  /** The truth about an answered request; counted when the sample is gone. @returns whether a sample was found */
  label(model: string, id: string, label: Label): Promise<boolean>
  state(model: string): CaptureState
  /** A fixed list for a job, in the order of capture; the files stay until `release`. */
  snapshot(model: string): Promise<{ readonly samples: readonly CapturedSample[]; release(): Promise<void> }>
  erase(model: string): Promise<number>
  on(listener: (event: CaptureEvent) => void): () => void
  /** Resolves when everything offered so far is on disk. */
  flush(): Promise<void>
  close(): Promise<void>
}
