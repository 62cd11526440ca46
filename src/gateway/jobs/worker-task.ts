import type { TensorSpec } from '../../engines/engine.js'
import type { EngineOptions } from '../../engines/worker/protocol.js'
import type { ErrorCode } from '../../errors.js'
import type { DeviceSpec } from '../../hardware/device-spec.js'
import type { Part, Stage } from '../../quantization/contract.js'
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
}

interface TaskFields {
  readonly model: string
  /** Folder of the bundle. */
  readonly bundle: string
  readonly manifest: Manifest
  readonly inputs: readonly TensorSpec[]
  /** Runs floats: calibration, the search, and the reference of every judgement. */
  readonly engine: string
  /** Added to the environment of the worker: where the engines find their libraries. */
  readonly env: Readonly<Record<string, string>>
  readonly settings: QuantizeSettings
  readonly heldOut: SamplePlace
  /** True: metrics that the bundle brings as modules may run. */
  readonly metricModules: boolean
  /** Where the results go, under the names of `taskFiles`. */
  readonly folder: string
}

interface FormFields {
  readonly serving: ServingEngine
  /** What sentences call it. */
  readonly subject: string
  /** Of its own, where its files go. */
  readonly folder: string
}

/** A form that a worker makes and judges: `CandidateForm` as files and engines. */
export type FormTask = FormFields &
  (
    | {
        readonly kind: 'quantized'
        readonly spec: DeviceSpec
        /** Path of the table of measured costs that placement follows; absent = none is of this host. */
        readonly costs?: string
      }
    /** The files that a form before it left in the folder `of`, opened in another way. */
    | { readonly kind: 'reopened'; readonly of: string }
    /** The bundle's own file. */
    | { readonly kind: 'float' }
    /** The bundle's model as our passes leave it. */
    | { readonly kind: 'prepared' }
  )

/** Makes all forms from one calibration run, and holds them to the same answers of float. */
export interface MakeTask extends TaskFields {
  readonly do: 'make'
  readonly calibration: SamplePlace
  readonly forms: readonly FormTask[]
}

export interface JudgeTask extends TaskFields {
  readonly do: 'judge'
  readonly serving: ServingEngine
  /** Path of the model that is judged. */
  readonly judged: string
  /** What sentences call it. */
  readonly subject: string
}

export type WorkerTask = MakeTask | JudgeTask

export interface WorkerEvent {
  readonly stage: Stage
  readonly progress: number
  /** Seconds that the pipeline may still take, where it knows. */
  readonly etaS?: number
  readonly part?: Part
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

/** A form that is in its folder, judged. */
export interface MadeForm {
  readonly kind: 'made'
  readonly judgement: Judgement
  /** Of what was quantized. */
  readonly quantized?: {
    readonly coverage: number
    readonly calibration: number
    readonly heldOut: number
    /** Steps of an accuracy-aware run in one sentence. */
    readonly aware?: string
  }
}

/** In the order of the task's forms. `same`: it would be what is there already, and was not made. */
export type FormAnswer =
  | MadeForm
  | { readonly kind: 'same' }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string }

export interface MakeAnswer {
  readonly forms: readonly FormAnswer[]
  readonly request: TimingRequest | undefined
}

/** Names of the worker's files. */
export const taskFiles = { model: 'model.onnx', report: 'report.json', request: 'request.bin', checkpoint: 'checkpoint.json' } as const
