import { type ErrorCode, errorCode, errorMessage } from '../../errors.js'
import { runLimited } from '../../process/limited-child.js'
import type { Manifest } from '../../samples/manifest.js'
import { Refusal } from '../wire-errors.js'

/** What a look at a model file tells before it comes near the device worker. */
export interface ModelFacts {
  readonly opset: number
  readonly nodes: number
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
}

export interface InspectRequest {
  readonly path: string
  readonly engine: string
  readonly manifest: Manifest
}

export interface InspectOptions {
  readonly memoryMiB: number
  readonly signal?: AbortSignal
}

/** Time that a model file may take to be read and opened; the largest that protobuf allows takes some ten seconds to read. */
const inspectLimitMs = 120_000

/** What a process comes to that the model took with it, or that its engine refused. */
const modelsFault: ReadonlySet<ErrorCode> = new Set(['ERR_ENGINE_OPEN', 'ERR_WORKER_GONE', 'ERR_WORKER_MEMORY', 'ERR_TIMEOUT'])

/**
 * Reads, checks and opens the model file at `path` in a process of its own: whatever the file is, daemon and device worker survive it.
 * @throws ERR_ONNX_* naming node or byte, ERR_MODEL_OPEN, ERR_ABORTED
 */
export async function inspectModel(request: InspectRequest, { memoryMiB, signal }: InspectOptions): Promise<ModelFacts> {
  try {
    const { meta } = await runLimited({
      entry: new URL('./inspect-worker.js', import.meta.url),
      name: 'model inspection',
      request,
      memoryMiB,
      timeoutMs: inspectLimitMs,
      nice: 10,
      oomScore: 1000,
      ...(signal === undefined ? {} : { signal }),
    })
    // Our own worker, compiled against the same type.
    return meta as ModelFacts
  } catch (error) {
    if (!modelsFault.has(errorCode(error))) throw error
    throw new Refusal('INVALID_ARGUMENT', 'ERR_MODEL_OPEN', `the model cannot be opened: ${errorMessage(error)}`, {
      details: { reason: errorCode(error) },
      cause: error,
    })
  }
}
