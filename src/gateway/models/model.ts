import type { TensorSpec } from '../../engines/engine.js'
import type { ChoiceEntry, Judgement } from '../../quantization/report/report.js'
import type { Manifest } from '../../samples/manifest.js'
import type { OpenFigures } from './live-session.js'
import type { Precision } from './serving-devices.js'

/**
 * One servable form of a model. Version '1' is the float of the bundle on the reference device; each quantization adds the next number, and so does each
 * further engine, precision and form that float runs in.
 */
export interface VersionRecord {
  readonly version: string
  readonly kind: 'float' | 'int8'
  /** candidate: prepared, may be activated; refused: judged not good enough, only `pin` activates it. */
  readonly state: 'candidate' | 'active' | 'previous' | 'retired' | 'refused'
  readonly device: string
  readonly engine: string
  /** Type in which what is float is computed, where the engine has a choice. */
  readonly precision?: Precision
  /** Hash of the model file: in the bundle for float, but in the artifact store for int8 and for float in another form than the bundle's. */
  readonly artifact: string
  readonly scheme?: 'symmetric' | 'asymmetric'
  readonly calibratedAt?: string
  readonly samples?: number
  readonly judgement?: Judgement
  readonly createdAt: string
}

/** What a quantization left, and where it runs. */
export interface VersionSource {
  /** Paths. */
  readonly model: string
  readonly report: string
  /** Default: the reference. */
  readonly device?: string
  /** Type in which what stays float is computed, where the engine has a choice and it is not the usual one. */
  readonly precision?: Precision
}

/** Fields of a float version that an engine of its own makes of the bundle's model, or of that model in another form. */
export interface FloatForm {
  readonly device: string
  readonly precision: Precision
  readonly judgement: Judgement
  /** Hash of the bundle's model file that was judged. */
  readonly of: string
  /** Path of the model in its other form; absent = the bundle's own file. */
  readonly model?: string
}

/** A model that is loaded into the daemon (its bundle is in the state directory). */
export interface ModelRecord {
  readonly name: string
  readonly bundle: string
  readonly manifest: Manifest
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  readonly versions: readonly VersionRecord[]
  readonly active: string | undefined
  readonly previous: string | undefined
  /** A pinned version is not replaced by jobs. */
  readonly pinned: boolean
  readonly state: 'loading' | 'ready' | 'failed' | 'unloaded'
  readonly why: string
}

/** Where a request goes now: the key under which the device worker knows the session. */
export interface Route {
  readonly model: string
  readonly version: string
  readonly key: string
  readonly device: string
  /** Inferences of it that the device runs side by side. */
  readonly parallel: number
}

export type ModelEvent =
  | { readonly kind: 'changed'; readonly model: ModelRecord }
  | { readonly kind: 'removed'; readonly name: string }
  | { readonly kind: 'activated'; readonly model: ModelRecord; readonly version: string; readonly from: string | undefined }
  | { readonly kind: 'rolledback'; readonly model: ModelRecord; readonly version: string; readonly from: string | undefined }

/** The models of this gateway: bundles, versions, which one serves. Every change is in the store before it shows. */
export interface Models {
  list(): readonly ModelRecord[]
  /** @throws Refusal MODEL_NOT_FOUND */
  get(name: string): ModelRecord
  /** Active int8 versions whose judgement was made on another engine or processor. */
  stale(): readonly { readonly model: string; readonly version: string }[]
  /** Copies the bundle folder (or .tar, or bare .onnx) into the state directory under its hash, opens float, makes it active. Replaces an older bundle of the same name. @throws ERR_BUNDLE_*, ERR_ONNX_* */
  load(path: string, options?: { name?: string; signal?: AbortSignal }): Promise<ModelRecord>
  unload(name: string): Promise<void>
  /** Files of a bundle and of a version's artifact, for the job worker. */
  paths(name: string, version?: string): { bundle: string; model: string; report: string | undefined }
  /** Puts the files of a finished quantization into the artifact store as a new version. */
  addVersion(name: string, files: VersionSource): Promise<VersionRecord>
  /** The bundle's float model as a version on another engine or in another form; the one that is there already gets the new judgement. */
  addFloat(name: string, form: FloatForm): Promise<VersionRecord>
  /** Beside the old one: open, warm, check that it answers, switch in one transaction, close the one before the previous after its last request. @throws Refusal VERSION_NOT_FOUND, CONFLICT (refused version without `force`) */
  activate(name: string, version: string, options?: { force?: boolean; pin?: boolean }): Promise<ModelRecord>
  rollback(name: string): Promise<ModelRecord>
  /** Whether jobs may replace the active version; with `version`, activates that one first, refused or not. */
  pin(name: string, options: { readonly pinned: boolean; readonly version?: string }): Promise<ModelRecord>
  /** The final judgement of a version, in its record and its report; a refused one becomes `refused`. `choice`: what it was put beside, for the report. */
  judge(name: string, version: string, judgement: Judgement, choice?: readonly ChoiceEntry[]): Promise<VersionRecord>
  setCapture(name: string, capture: Manifest['capture']): Promise<ModelRecord>
  /**
   * The route of a request, held until `release`: a swap waits for held routes before it closes the old session. A request that names no version goes to
   * the stand-in while the device of the active one is gone or is the one to `avoid`.
   * @throws Refusal MODEL_NOT_FOUND, VERSION_NOT_FOUND, NOT_READY
   */
  acquire(
    name: string,
    version?: string,
    options?: { readonly avoid?: string },
  ): { readonly route: Route; readonly manifest: Manifest; release(): void }
  /** Paired timing of two versions on one captured request, each in the worker of its device; opens and closes what is not open. */
  compare(
    name: string,
    versions: readonly [string, string],
    request: import('../../samples/request.js').EncodedRequest,
    rounds: number,
    signal?: AbortSignal,
  ): Promise<readonly (readonly number[])[]>
  /** What the last opening of a version took, in this run of the daemon. */
  opened(name: string, version: string): OpenFigures | undefined
  on(listener: (event: ModelEvent) => void): () => void
}
