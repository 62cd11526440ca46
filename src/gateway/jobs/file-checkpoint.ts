import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { Checkpointing } from '../../quantization/accuracy-aware/checkpoint.js'

/**
 * A checkpoint in a file of the job's folder: replaced as a whole, so that a process that is killed at any moment leaves the one before or the new one.
 * What cannot be read counts as none: the run begins anew.
 */
export function fileCheckpoint(path: string): Checkpointing {
  return {
    found: readJson(path),
    save: checkpoint => {
      const written = `${path}.new`
      writeFileSync(written, JSON.stringify(checkpoint), { mode: 0o600 })
      renameSync(written, path)
    },
  }
}

function readJson(path: string): unknown {
  if (!existsSync(path)) return undefined
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    // Not ours, or cut short by a full disk: the worth of a checkpoint is time, not truth.
    return undefined
  }
}
