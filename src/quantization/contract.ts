import type { Engine, OpenOptions } from '../engines/engine.js'
import type { Model } from '../graph/graph.js'
import type { IrFiles } from '../graph/ir/write.js'
import type { DeviceSpec } from '../hardware/device-spec.js'
import type { SampleSource } from '../samples/sample.js'
import type { Judging } from './accuracy/choose-metric.js'
import type { Checkpointing } from './accuracy-aware/checkpoint.js'
import type { CostTable } from './costs/cost-table.js'
import type { Report } from './report/report.js'
import type { QuantizeSettings } from './settings.js'

export const stages = ['import', 'place', 'observe', 'quantize', 'evaluate', 'rank', 'revert', 'lower', 'verify', 'judge'] as const
export type Stage = (typeof stages)[number]

/** The engine that serves the result, where that is not the one that runs floats. */
export interface TargetEngine {
  readonly engine: Engine
  /** Its device, precision and the like; threads are those of the settings. */
  readonly options: Omit<OpenOptions, 'threads' | 'profile'>
}

/** Which of several devices a stage belongs to. */
export interface Part {
  readonly index: number
  readonly count: number
}

/**
 * Called as work goes on: `progress` 0..1 within the stage; `etaS` seconds that all of it may still take, where that was estimated; `part` where the stage is one
 * device's own among several.
 */
export type OnProgress = (stage: Stage, progress: number, etaS?: number, part?: Part) => void

export interface QuantizeRequest {
  readonly model: Model
  /** Bytes of the model file, for the hash in the report. */
  readonly sha256: string
  readonly name: string
  readonly bytes: number
  /** Calibration samples. */
  readonly samples: SampleSource
  /** Held out: never calibrated on. Used by the step that keeps the worst layers float, and by the judge. May be empty. */
  readonly heldOut: SampleSource
  /** What the accuracy-aware pipeline holds its steps to; absent = what `tuningItems` finds among the others. */
  readonly validation?: SampleSource
  readonly spec: DeviceSpec
  readonly settings: QuantizeSettings
  /** Task, metric, output and alphabet of the bundle; absent = what labels and outputs suggest. */
  readonly judging?: Judging
  /** Measured costs that placement follows; absent = the built-in rules alone. Whoever hands them in has checked that they are of this host. */
  readonly costs?: CostTable
  /** Runs floats and, for the search, the result or what stands for it. */
  readonly engine: Engine
  /** The engine of the spec, where this host has it: candidates are measured and judged on it, and what it runs in float is float in the report. */
  readonly target?: TargetEngine
  /** Where an accuracy-aware run that was cut off goes on, and what it leaves for that. */
  readonly checkpoint?: Checkpointing
  readonly onProgress?: OnProgress
  readonly signal?: AbortSignal
}

/** One device that a model is quantized for, and what belongs to it. */
export type QuantizeTarget = Pick<QuantizeRequest, 'spec' | 'costs' | 'target' | 'checkpoint'>

/** What a request for several devices has in common. */
export type SharedRequest = Omit<QuantizeRequest, keyof QuantizeTarget>

export interface QuantizeResult {
  /** ONNX for the engine of the spec, serialized: QDQ, or with FakeQuantize for OpenVINO. */
  readonly bytes: Uint8Array
  /** The same for OpenVINO as IR v11 with compressed int8 weights; absent for other engines, and for a model that has no IR form. */
  readonly ir?: IrFiles
  readonly report: Report
}
