import type { EncodedRequest, EncodedResponse } from '../../samples/request.js'
import type { WireError } from '../wire-errors.js'

/** An inference request as any transport hands it over. */
export interface InferRequest extends EncodedRequest {
  readonly model: string
  readonly version?: string
  readonly caller: string
  readonly id?: string
  /** Monotonic milliseconds after which nobody waits any more. */
  readonly deadline?: number
  readonly priority: 0 | 1 | 2 | 3
}

export interface InferTimes {
  readonly queueUs: number
  readonly decodeUs: number
  readonly inferUs: number
  readonly encodeUs: number
}

export type InferOutcome =
  | (EncodedResponse & {
      readonly kind: 'answer'
      readonly model: string
      readonly version: string
      readonly device: string
      readonly times: InferTimes
      readonly confidence?: number
    })
  | { readonly kind: 'refusal'; readonly error: WireError }
  /** The deadline passed before the start or during it: nobody is told (mqtt-contract.md 4c.3). */
  | { readonly kind: 'expired'; readonly late: boolean }

export interface ServingFigures {
  readonly draining: boolean
  readonly queued: number
  readonly queuedBytes: number
  readonly inFlight: number
  readonly received: number
  readonly answered: number
  readonly refused: number
  /** Dropped before the start. */
  readonly expired: number
  /** Result thrown away: it came too late. */
  readonly expiredLate: number
  readonly retried: number
  readonly requestsPerSecond: number
  /** Over the last answers, from arrival in the queue to the answer; 0 without one. */
  readonly p50Ms: number
  readonly p99Ms: number
}

/**
 * Answers inference requests: queue with limits per caller, deadline, route, device worker; one retry when the device dies or its engine fails, and its
 * stand-in as well when it is silent. Never rejects. Each request ends as exactly one of answered, refused, expired: `received` is their sum, and what waits or
 * runs.
 */
export interface Serving {
  infer(request: InferRequest): Promise<InferOutcome>
  /** What `infer` would refuse at the door (full, draining, unknown model), before anything is kept of the request; counts nothing. */
  wouldRefuse(request: InferRequest): WireError | undefined
  figures(): ServingFigures
  /** Refuses new requests with NOT_READY and resolves when the last one is answered. */
  drain(): Promise<void>
  resume(): void
  /** A worker that requests go to died, or takes calls again. */
  onDevice(listener: (event: 'lost' | 'back', device: string) => void): () => void
  /** Called after each answer, with the request's bytes: capture hangs here. */
  onAnswer(listener: (request: InferRequest, outcome: InferOutcome & { kind: 'answer' }) => void): () => void
}
