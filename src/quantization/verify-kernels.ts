import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Engine, Session } from '../engines/engine.js'
import { loadModel } from '../graph/onnx/load.js'
import { countKernels, type Kernels } from './lowering/count-kernels.js'

export interface OpenedCandidate {
  readonly session: Session
  readonly kernels: Kernels
}

/**
 * Opens a candidate as it will be served and reads back the graph that the engine made of it: which products have integer kernels is seen, not assumed.
 * The caller closes the session.
 */
export async function openVerified(engine: Engine, bytes: Uint8Array, threads: number): Promise<OpenedCandidate> {
  const folder = await mkdtemp(join(tmpdir(), 'quantd-verify-'))
  try {
    const optimizedPath = join(folder, 'optimized.onnx')
    const session = await engine.open(bytes, { threads, optimization: 'all', optimizedPath })
    return { session, kernels: countKernels(loadModel(optimizedPath).graph) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
