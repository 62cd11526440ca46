import type { TensorSpec } from '../../engines/engine.js'
import type { EngineOptions } from '../../engines/worker/protocol.js'
import type { DeviceSpec } from '../../hardware/device-spec.js'
import type { Stage } from '../../quantization/contract.js'
import type { Judgement } from '../../quantization/report/report.js'
import type { QuantizeSettings } from '../../quantization/settings.js'
import type { Manifest } from '../../samples/manifest.js'
import type { ContentType } from '../../samples/request.js'
import type { CapturedSample } from '../calibration/capture.js'

/** Samples by where they lie: captured requests, or one part of an archive of arrays. */
export type SamplePlace =
  | { readonly kind: 'captured'; readonly samples: readonly CapturedSample[] }
  | { readonly kind: 'archive'; readonly path: string; readonly part: 'calibration' | 'held-out' }

/** The engine that will serve, and what a session there is opened with. */
export interface ServingEngine {
  readonly name: string
  readonly options: EngineOptions
  /** Added to the environment of the worker: where the engine finds its library. */
  readonly env: Readonly<Record<string, string>>
}

interface TaskFields {
  readonly model: string
  /** Folder of the bundle. */
  readonly bundle: string
  readonly manifest: Manifest
  readonly inputs: readonly TensorSpec[]
  /** Runs floats: calibration, the search, and the reference of every judgement. */
  readonly engine: string
  /** Runs what is judged. */
  readonly serving: ServingEngine
  readonly settings: QuantizeSettings
  readonly heldOut: SamplePlace
  /** True: metrics that the bundle brings as modules may run. */
  readonly metricModules: boolean
  /** Where the results go, under the names of `taskFiles`. */
  readonly folder: string
}

/** What the daemon asks of the job worker; it tells of progress by `WorkerEvent`s. */
export interface QuantizeTask extends TaskFields {
  readonly do: 'quantize'
  readonly spec: DeviceSpec
  readonly calibration: SamplePlace
  /** Path of the table of measured costs that placement follows; absent = none is of this host. */
  readonly costs?: string
}

export interface JudgeTask extends TaskFields {
  readonly do: 'judge'
  /** Path of the model that is judged. */
  readonly judged: string
  /** What sentences call it. */
  readonly subject: string
}

export type WorkerTask = QuantizeTask | JudgeTask

export interface WorkerEvent {
  readonly stage: Stage
  readonly progress: number
  /** Seconds that the pipeline may still take, where it knows. */
  readonly etaS?: number
}

/** How the file `taskFiles.request`, one sample as a request, is encoded. */
export interface TimingRequest {
  readonly contentType: ContentType
  readonly jsonLength?: number
}

export interface JudgeAnswer {
  readonly judgement: Judgement
  readonly request: TimingRequest | undefined
}

export interface QuantizeAnswer extends JudgeAnswer {
  /** Steps of an accuracy-aware run in one sentence. */
  readonly aware?: string
  readonly coverage: number
  readonly calibration: number
  readonly heldOut: number
}

/** Names of the worker's files. */
export const taskFiles = { model: 'model.onnx', report: 'report.json', request: 'request.bin', checkpoint: 'checkpoint.json' } as const
