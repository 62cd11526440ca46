import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { errorMessage, invariant } from '../../errors.js'
import { freeBytes, isDiskFull } from '../store/disk.js'
import { CaptureIndex } from './capture-index.js'
import type { WriterRequest, WriterResponse } from './capture-record.js'

/** Entry of the writer thread: does what it is told in order, answers every request once, and never lets a failure of the disk out as an exception. */
const port = parentPort
invariant(port !== null, 'capture-writer runs as a worker thread')
let index: CaptureIndex | undefined

port.on('message', ({ op, request }: { op: number; request: WriterRequest | { kind: 'close' } }) => {
  if (request.kind === 'close') {
    index?.close()
    port.postMessage({ op, response: { kind: 'done' } satisfies WriterResponse })
    port.close()
    return
  }
  port.postMessage({ op, response: attempt(request) })
})

function attempt(request: WriterRequest): WriterResponse {
  try {
    index ??= new CaptureIndex((workerData as { stateFolder: string }).stateFolder)
    return perform(index, request)
  } catch (error) {
    const diskFull = isDiskFull(error) || (error instanceof Error && isDiskFull(error.cause))
    return { kind: 'failed', reason: diskFull ? 'disk full' : errorMessage(error), diskFull }
  }
}

function perform(captures: CaptureIndex, request: WriterRequest): WriterResponse {
  switch (request.kind) {
    case 'open':
      return { kind: 'opened', models: captures.models(), operatingMs: captures.operatingMs(), lastId: captures.lastId() }
    case 'put':
      return put(captures, request)
    case 'drop':
      // Files first: on a full disk they make the room that the rows' removal needs. A crash between leaves rows that the next opening sweeps.
      unlink(captures, request)
      commit(captures, () => {
        captures.drop(request.model, request.drop)
        captures.setReservoir(request.model, request.reservoir)
      })
      return { kind: 'done' }
    case 'unlink':
      unlink(captures, request)
      return { kind: 'done' }
    case 'label':
      captures.label(request.model, request.id, request.label)
      return { kind: 'done' }
    case 'read':
      return { kind: 'records', captured: captures.model(request.model) }
    case 'tick':
      captures.setOperatingMs(request.operatingMs)
      return { kind: 'done' }
  }
}

function put(captures: CaptureIndex, request: Extract<WriterRequest, { kind: 'put' }>): WriterResponse {
  const { model, record, body } = request
  if (freeBytes(captures.folder) - body.byteLength < request.reserveBytes) return { kind: 'failed', reason: 'disk full', diskFull: true }
  const path = captures.path(model, record.id)
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(path, body, { mode: 0o600, flag: 'wx' })
    commit(captures, () => {
      captures.insert(model, record)
      captures.drop(model, request.drop)
      captures.setReservoir(model, request.reservoir)
      captures.setOperatingMs(record.operatingMs)
    })
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  }
  unlink(captures, request)
  return { kind: 'done' }
}

function unlink(captures: CaptureIndex, { model, unlink: ids }: { model: string; unlink: readonly string[] }): void {
  for (const id of ids) rmSync(captures.path(model, id), { force: true })
}

function commit(captures: CaptureIndex, change: () => void): void {
  captures.database.transaction(change).immediate()
}
