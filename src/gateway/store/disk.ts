import { statfsSync } from 'node:fs'
import { QuantdError } from '../../errors.js'

/** Bytes that an ordinary user may still write on the file system of `path`. */
export function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

/** True for the errors of a file system, or of SQLite on it, that has no room left. */
export function isDiskFull(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'SQLITE_FULL'
}

export interface SpaceDemand {
  readonly path: string
  /** What is about to be written. */
  readonly sizeBytes: number
  /** What must stay free besides. */
  readonly reserveBytes: number
  /** What for, as the message says it. */
  readonly purpose: string
}

/** @throws ERR_STORE_FULL when `sizeBytes` would eat into the reserve */
export function requireSpace({ path, sizeBytes, reserveBytes, purpose }: SpaceDemand): void {
  const free = freeBytes(path)
  if (free - sizeBytes >= reserveBytes) return
  const mib = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`
  throw new QuantdError(
    'ERR_STORE_FULL',
    `${purpose}: ${mib(sizeBytes)} needed and ${mib(reserveBytes)} kept in reserve, ${mib(free)} free on ${path}`,
    { details: { path, freeBytes: free, sizeBytes, reserveBytes } },
  )
}
