import type { Manifest } from '../../samples/manifest.js'
import type { ContentType } from '../../samples/request.js'
import type { OpenOptions, TensorSpec } from '../engine.js'

/** What tells two sessions of one model file apart on an engine that has several devices, precisions and ways to share its threads. */
export type EngineOptions = Pick<OpenOptions, 'device' | 'precision' | 'hint' | 'cache'>

/**
 * What the daemon asks a device worker (one process per device) over `process/` frames. `meta` of a request frame is one of these with
 * `do` as its tag; the request's tensor bytes travel as the frame's body, so does the answer's. Errors come back as error frames with
 * `{ code, message, details }` (codes of `samples/errors.ts` and `engines/errors.ts`).
 */
export interface DeviceWorkerCalls {
  /** Loads a model under `key` and runs it once on zeros (or on `golden` later) so that the first request is not slow. */
  open: {
    request: {
      key: string
      engine: string
      artifact: string
      manifest: Manifest
      alphabet?: readonly string[]
      modelName: string
      version: string
      threads: number
      /** Device, precision, hint and cache of engines that have several. */
      options?: EngineOptions
    }
    /** `parallel`: inferences that run side by side. `memoryMiB`: resident memory that opening added to the process. */
    response: {
      inputs: readonly TensorSpec[]
      outputs: readonly TensorSpec[]
      parallel: number
      loadMs: number
      rssMiB: number
      memoryMiB: number
    }
  }
  close: { request: { key: string }; response: Record<string, never> }
  /** Decodes the body, infers, encodes. `confidence`: margin between the best two classes of a classifier (0..1), for the capture rule. */
  infer: {
    request: { key: string; contentType: ContentType; jsonLength?: number; id?: string }
    response: {
      contentType: ContentType
      jsonLength?: number
      decodeUs: number
      inferUs: number
      encodeUs: number
      batched: number
      confidence?: number
    }
  }
  /**
   * Times the sessions in turn, `rounds` times each, on the request in the body; used when the device is otherwise idle. Microseconds of inference alone,
   * `times[k][round]` for `keys[k]`; rounds are paired. A session that runs several side by side runs that many in a round, and the time is that of a round
   * by their number. `warmUps`: inferences of each before they count, 3 when absent.
   */
  compare: {
    request: { keys: readonly string[]; rounds: number; warmUps?: number; contentType: ContentType; jsonLength?: number }
    response: { timesUs: readonly (readonly number[])[] }
  }
  stats: { request: Record<string, never>; response: { rssMiB: number; keys: readonly string[]; inFlight: number } }
}
export type DeviceWorkerCall = keyof DeviceWorkerCalls
