import { runLimited } from '../../process/limited-child.js'

/** What a look at a model file tells before anything is done with it. */
export interface ModelFacts {
  readonly opset: number
  readonly nodes: number
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
}

export interface InspectOptions {
  readonly memoryMiB: number
  readonly signal?: AbortSignal
}

/** Time that a model file may take to be read; the largest that protobuf allows takes some ten seconds. */
const inspectLimitMs = 120_000

/**
 * Reads and checks the model file at `path` in a process of its own: whatever the file is, the daemon survives it.
 * @throws ERR_ONNX_* naming node or byte, ERR_WORKER_MEMORY, ERR_WORKER_GONE, ERR_TIMEOUT, ERR_ABORTED
 */
export async function inspectModel(path: string, { memoryMiB, signal }: InspectOptions): Promise<ModelFacts> {
  const { meta } = await runLimited({
    entry: new URL('./inspect-worker.js', import.meta.url),
    name: 'model inspection',
    request: { path },
    memoryMiB,
    timeoutMs: inspectLimitMs,
    nice: 10,
    oomScore: 1000,
    ...(signal === undefined ? {} : { signal }),
  })
  return meta as ModelFacts
}
