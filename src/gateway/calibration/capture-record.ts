import type { ContentType } from '../../samples/request.js'
import type { Label } from '../../samples/sample.js'
import type { ReservoirState } from './reservoir.js'

/** One captured request as the index keeps it; its bytes are the file `<model>/<id>`. */
export interface CaptureRecord {
  /** Rises with every capture of this gateway; sorts as text. */
  readonly id: string
  /** Name under which the caller may send the truth. */
  readonly requestId?: string
  readonly pool: 'reservoir' | 'least-confident'
  readonly contentType: ContentType
  readonly jsonLength?: number
  readonly sizeBytes: number
  readonly confidence?: number
  /** Reading of the operating clock: milliseconds that this gateway's daemon has run in all, at capture. */
  readonly operatingMs: number
  readonly label?: Label
}

/** What the index holds of one model. */
export interface CapturedModel {
  readonly model: string
  readonly reservoir: ReservoirState
  readonly records: readonly CaptureRecord[]
}

/**
 * What the store asks of its writer thread, done in order. Each is answered with its `op`; bodies are handed over, not copied.
 * `unlink` names files apart from the rows that go, because a job may still read some.
 */
export type WriterRequest =
  | { readonly kind: 'open' }
  | {
      readonly kind: 'put'
      readonly model: string
      readonly record: CaptureRecord
      readonly body: Uint8Array
      readonly drop: readonly string[]
      readonly unlink: readonly string[]
      readonly reservoir: ReservoirState
      readonly reserveBytes: number
    }
  | {
      readonly kind: 'drop'
      readonly model: string
      readonly drop: readonly string[]
      readonly unlink: readonly string[]
      readonly reservoir: ReservoirState
    }
  | { readonly kind: 'unlink'; readonly model: string; readonly unlink: readonly string[] }
  | { readonly kind: 'label'; readonly model: string; readonly id: string; readonly label: Label }
  | { readonly kind: 'read'; readonly model: string }
  | { readonly kind: 'tick'; readonly operatingMs: number }

export type WriterResponse =
  | { readonly kind: 'done' }
  | {
      readonly kind: 'opened'
      readonly models: readonly CapturedModel[]
      readonly operatingMs: number
      readonly lastId: string | undefined
    }
  | { readonly kind: 'records'; readonly captured: CapturedModel | undefined }
  | { readonly kind: 'failed'; readonly reason: string; readonly diskFull: boolean }
