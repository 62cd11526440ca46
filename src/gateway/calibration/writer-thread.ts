import { Worker } from 'node:worker_threads'
import { QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import type { WriterRequest, WriterResponse } from './capture-record.js'

const log = logger('gateway/calibration')

/** The daemon's side of the writer thread: requests in, each answered in order; bytes that wait there are counted. */
export class WriterThread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, { readonly sizeBytes: number; readonly resolve: (response: WriterResponse) => void }>()
  #nextOp = 1
  #waitingBytes = 0
  /** Why the thread takes nothing any more. */
  #ended: string | undefined

  constructor(stateFolder: string) {
    this.#worker = new Worker(new URL('./capture-writer.js', import.meta.url), { workerData: { stateFolder } })
    this.#worker.on('message', ({ op, response }: { op: number; response: WriterResponse }) => this.#settle(op, response))
    this.#worker.on('error', error => this.#end(`writer thread failed: ${error.message}`))
    this.#worker.on('exit', code => this.#end(`writer thread ended with ${code}`))
    this.#worker.unref()
  }

  get waiting(): { readonly count: number; readonly bytes: number } {
    return { count: this.#waiting.size, bytes: this.#waitingBytes }
  }

  /** Never rejects: a thread that is gone answers `failed`. `body` of a put is handed over: it must own its buffer. */
  ask(request: WriterRequest): Promise<WriterResponse> {
    if (this.#ended !== undefined) return Promise.resolve({ kind: 'failed', reason: this.#ended, diskFull: false })
    return request.kind === 'put' ? this.#send(request, [request.body.buffer as ArrayBuffer]) : this.#send(request, [])
  }

  /** As `ask`, for answers that nothing can go on without. @throws ERR_CAPTURE_WRITER */
  async require<K extends WriterResponse['kind']>(request: WriterRequest, kind: K): Promise<Extract<WriterResponse, { kind: K }>> {
    const response = await this.ask(request)
    if (response.kind === kind) return response as Extract<WriterResponse, { kind: K }>
    const reason = response.kind === 'failed' ? response.reason : `answered ${response.kind}`
    throw new QuantdError('ERR_CAPTURE_WRITER', `capture writer: ${request.kind}: ${reason}`)
  }

  /** Lets everything asked so far reach the disk, then ends the thread. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return
    const exit = new Promise<void>(resolve => this.#worker.once('exit', () => resolve()))
    await this.#send({ kind: 'close' }, [])
    this.#ended = 'the capture store is closed'
    this.#worker.ref()
    await exit
  }

  #send(request: WriterRequest | { kind: 'close' }, transfer: readonly ArrayBuffer[]): Promise<WriterResponse> {
    const op = this.#nextOp
    this.#nextOp += 1
    const sizeBytes = transfer.reduce((sum, buffer) => sum + buffer.byteLength, 0)
    this.#waitingBytes += sizeBytes
    // The process may end while capture idles, but not while something is on its way to the disk.
    this.#worker.ref()
    return new Promise(resolve => {
      this.#waiting.set(op, { sizeBytes, resolve })
      this.#worker.postMessage({ op, request }, transfer)
    })
  }

  #settle(op: number, response: WriterResponse): void {
    const waiter = this.#waiting.get(op)
    if (waiter === undefined) return
    this.#waiting.delete(op)
    this.#waitingBytes -= waiter.sizeBytes
    if (this.#waiting.size === 0) this.#worker.unref()
    waiter.resolve(response)
  }

  #end(reason: string): void {
    if (this.#ended === undefined) {
      this.#ended = reason
      log.error({ reason }, 'capture stands still')
    }
    for (const op of [...this.#waiting.keys()]) this.#settle(op, { kind: 'failed', reason, diskFull: false })
  }
}
