import type { DeviceWorker } from '../../engines/worker/device-worker.js'
import type { CaptureState } from '../calibration/capture.js'
import type { Job } from '../jobs/job.js'
import type { ModelRecord } from '../models/model.js'
import type { ServingFigures } from '../serving/serving.js'
import type { Journal } from '../store/journal.js'

export type WorkerFigures = ReturnType<DeviceWorker['figures']> & { readonly device: string }

/** What `/health` and `/metrics` read when somebody asks; `daemon.ts` hands in the services behind it. Nothing here waits. */
export interface OperationsView {
  /** live: the loop answers; ready: requests are taken. `reasons` say what is worse than it should be. */
  status(): { readonly ready: boolean; readonly state: string; readonly reasons: readonly string[] }
  serving(): ServingFigures
  journal(): ReturnType<Journal['figures']>
  models(): readonly ModelRecord[]
  capture(): readonly CaptureState[]
  jobs(): readonly Job[]
  workers(): readonly WorkerFigures[]
}
