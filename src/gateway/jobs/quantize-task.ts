import type { TensorSpec } from '../../engines/engine.js'
import type { DeviceSpec } from '../../hardware/device-spec.js'
import type { Stage } from '../../quantization/contract.js'
import type { Judgement } from '../../quantization/report/report.js'
import type { QuantizeSettings } from '../../quantization/settings.js'
import type { Manifest } from '../../samples/manifest.js'
import type { ContentType } from '../../samples/request.js'
import type { CapturedSample } from '../calibration/capture.js'

/** Samples by where they lie: captured requests, or an archive of arrays of which those at `indices` count. */
export type SamplePlace =
  | { readonly kind: 'captured'; readonly samples: readonly CapturedSample[] }
  | { readonly kind: 'archive'; readonly path: string; readonly part: 'calibration' | 'held-out' }

/** What the daemon asks of the job worker; it is answered with a `QuantizeAnswer`, and told of progress by `QuantizeEvent`s. */
export interface QuantizeTask {
  readonly model: string
  /** Folder of the bundle. */
  readonly bundle: string
  readonly manifest: Manifest
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  readonly engine: string
  readonly spec: DeviceSpec
  readonly settings: QuantizeSettings
  readonly calibration: SamplePlace
  readonly heldOut: SamplePlace
  /** Where the results go: model.onnx, report.json, request.bin. */
  readonly folder: string
}

export interface QuantizeEvent {
  readonly stage: Stage
  readonly progress: number
}

export interface QuantizeAnswer {
  readonly judgement: Judgement
  readonly coverage: number
  readonly calibration: number
  readonly heldOut: number
  /** How request.bin, one sample as a request, is encoded: what float and int8 are timed on. */
  readonly request: { readonly contentType: ContentType; readonly jsonLength?: number } | undefined
}

/** Names of the worker's files. */
export const taskFiles = { model: 'model.onnx', report: 'report.json', request: 'request.bin' } as const
