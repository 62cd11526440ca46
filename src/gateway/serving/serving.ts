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
  readonly queued: number
  readonly inFlight: number
  readonly answered: number
  readonly refused: number
  readonly expired: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Answers inference requests: queue with limits per caller, deadline, route, device worker, one retry when the device dies. Never rejects. */
export interface Serving {
  infer(request: InferRequest): Promise<InferOutcome>
  figures(): ServingFigures
  /** Refuses new requests with NOT_READY and resolves when the last one is answered. */
  drain(): Promise<void>
  resume(): void
  /** Called after each answer, with the request's bytes: capture hangs here. */
  onAnswer(listener: (request: InferRequest, outcome: InferOutcome & { kind: 'answer' }) => void): () => void
}
