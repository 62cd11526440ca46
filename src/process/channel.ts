import type { Duplex } from 'node:stream'
import { type ErrorCode, errorCode, errorMessage, QuantdError } from '../errors.js'
import { logger } from '../log.js'
import { decodePlacement, encodeFrameHead, encodePlacement, type Frame, FrameDecoder, maxFrameBytes } from './frames.js'
import type { Region, SharedMemory } from './shared-memory.js'

const log = logger('process')

/** Meta is JSON; body is bytes. */
export interface Message {
  readonly meta: unknown
  readonly body: Uint8Array
}

export interface RequestOptions {
  readonly timeoutMs: number
  /** How long the call may keep the process from answering anything else; default: as long as it is waited for. */
  readonly silentMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Answers one request. What it throws goes back as an error frame: code, message and details kept. */
export type RequestHandler = (request: Message) => Message | Promise<Message>

export interface ChannelOptions {
  /** For messages: who is at the other end. */
  readonly peer: string
  readonly onRequest?: RequestHandler
  readonly onEvent?: (event: Message) => void
  readonly maxFrameBytes?: number
  /** Carries large bodies of requests and answers. The side that asks hands out its regions: only one side of such a channel may ask. */
  readonly memory?: SharedMemory
}

/** From here on a body goes through shared memory: what a pipe takes at once. */
const placedBytes = 64 * 1024

interface Waiter {
  settle(outcome: Message | QuantdError): void
}

export const noBody: Uint8Array = new Uint8Array(0)

/**
 * Requests, responses and events over one duplex stream; either side may ask, answers come in any order and find their request by id.
 * An abandoned request (time limit, abort) is answered to nobody. When the stream ends, every request in flight rejects with ERR_WORKER_GONE.
 */
export class Channel {
  readonly #stream: Duplex
  readonly #options: ChannelOptions
  readonly #decoder: FrameDecoder
  readonly #waiters = new Map<number, Waiter>()
  /** Of requests that are not answered, abandoned ones among them. */
  readonly #regions = new Map<number, Region>()
  /** Largest answer so far: what a region should have room for. */
  #largestAnswer = 0
  #lastId = 0
  #hasHeard = false
  #ended: QuantdError | undefined
  /** Resolves when the stream has ended, for whatever reason. */
  readonly closed: Promise<void>

  constructor(stream: Duplex, options: ChannelOptions) {
    this.#stream = stream
    this.#options = options
    this.#decoder = new FrameDecoder(options.maxFrameBytes)
    this.closed = new Promise(resolve => stream.once('close', resolve))
    stream.on('data', (chunk: Uint8Array) => this.#receive(chunk))
    // A peer that dies resets the pipe: 'close' follows either way, and tells the waiters.
    stream.on('error', error => log.debug({ peer: options.peer, error: error.message }, 'pipe failed'))
    stream.on('end', () => stream.end())
    stream.on('close', () => this.#end(new QuantdError('ERR_WORKER_GONE', `${options.peer}: the process is gone`)))
  }

  /** Requests that wait for their answer. */
  get inFlight(): number {
    return this.#waiters.size
  }

  /** Whether the other side has said anything yet. */
  get hasHeard(): boolean {
    return this.#hasHeard
  }

  /** @throws ERR_TIMEOUT, ERR_ABORTED, ERR_WORKER_GONE, ERR_WORKER_CLOSED, ERR_FRAME_SIZE, or what the other side answered */
  request(meta: unknown, body: Uint8Array, { timeoutMs, signal }: RequestOptions): Promise<Message> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    if (signal?.aborted) return Promise.reject(aborted(signal))
    const id = this.#nextId()
    const { promise, resolve, reject } = withResolvers<Message>()
    const onAbort = () => settle(aborted(signal))
    const late = new QuantdError('ERR_TIMEOUT', `${this.#options.peer}: no answer within ${timeoutMs} ms`, { details: { timeoutMs } })
    const timer = setTimeout(() => settle(late), timeoutMs)
    const settle = (outcome: Message | QuantdError) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      this.#waiters.delete(id)
      if (outcome instanceof QuantdError) reject(outcome)
      else resolve(outcome)
    }
    this.#waiters.set(id, { settle })
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      this.#send({ id, kind: 'request', meta, ...this.#placed(id, body) })
    } catch (error) {
      settle(error instanceof QuantdError ? error : new QuantdError('ERR_INTERNAL', errorMessage(error), { cause: error }))
    }
    return promise
  }

  /** Tells without wanting an answer; dropped when the other side is gone. */
  notify(meta: unknown, body: Uint8Array = noBody): void {
    if (this.#ended === undefined) this.#send({ id: 0, kind: 'event', meta, body })
  }

  /** Ends the stream once what was sent is through; requests in flight reject with ERR_WORKER_CLOSED. Safe to call twice. */
  async close(): Promise<void> {
    this.#end(new QuantdError('ERR_WORKER_CLOSED', `${this.#options.peer}: the channel is closed`))
    this.#stream.end()
    await this.closed
  }

  #end(reason: QuantdError): void {
    this.#ended ??= reason
    for (const { settle } of [...this.#waiters.values()]) settle(reason)
  }

  #nextId(): number {
    do this.#lastId = this.#lastId === 0xffffffff ? 1 : this.#lastId + 1
    while (this.#waiters.has(this.#lastId) || this.#regions.has(this.#lastId))
    return this.#lastId
  }

  #send(frame: Frame): void {
    const head = encodeFrameHead(frame, this.#options.maxFrameBytes ?? maxFrameBytes)
    if (this.#stream.writableEnded || this.#stream.destroyed) return
    this.#stream.cork()
    this.#stream.write(head)
    if (frame.body.byteLength > 0) this.#stream.write(frame.body)
    this.#stream.uncork()
  }

  #receive(chunk: Uint8Array): void {
    this.#hasHeard = true
    try {
      for (const frame of this.#decoder.push(chunk)) this.#dispatch(frame)
    } catch (error) {
      log.error({ peer: this.#options.peer, code: errorCode(error), error: errorMessage(error) }, 'channel given up')
      this.#end(error instanceof QuantdError ? error : new QuantdError('ERR_INTERNAL', errorMessage(error), { cause: error }))
      this.#stream.destroy()
    }
  }

  #dispatch(frame: Frame): void {
    if (frame.kind === 'event') this.#options.onEvent?.(frame)
    else if (frame.kind === 'request') void this.#answer(frame)
    else {
      const answer = { meta: frame.meta, body: this.#bodyOfAnswer(frame) }
      this.#waiters.get(frame.id)?.settle(frame.kind === 'response' ? answer : readError(frame.meta))
    }
  }

  async #answer(frame: Frame): Promise<void> {
    const { id, meta } = frame
    const { onRequest, peer, memory } = this.#options
    try {
      if (onRequest === undefined) throw new QuantdError('ERR_INTERNAL', `requests of ${peer} are not answered here`)
      const placement = frame.isPlaced && memory !== undefined ? { memory, ...decodePlacement(frame.body) } : undefined
      const body = placement === undefined ? frame.body : placement.memory.read(placement.at, placement.size)
      const answer = await onRequest({ meta, body })
      const region = placement && { at: placement.at, size: placement.room }
      this.#send({ id, kind: 'response', meta: answer.meta, ...this.#written(region, answer.body) })
      if (placement !== undefined && answer.body.buffer !== body.buffer) placement.memory.recycle(body)
    } catch (error) {
      if (!(error instanceof QuantdError)) log.error({ peer, err: error }, 'request failed')
      this.#send({ id, kind: 'error', meta: formatError(error), body: noBody })
    }
  }

  /** A request whose body or answer is large gets a region for both. */
  #placed(id: number, body: Uint8Array): Pick<Frame, 'isPlaced' | 'body'> {
    const size = Math.max(body.byteLength, this.#largestAnswer)
    const region = size < placedBytes ? undefined : this.#options.memory?.take(size)
    if (region !== undefined) this.#regions.set(id, region)
    return this.#written(region, body, 'whatever its size')
  }

  #written(region: Region | undefined, body: Uint8Array, from: 'large' | 'whatever its size' = 'large'): Pick<Frame, 'isPlaced' | 'body'> {
    const isWorth = from === 'whatever its size' || body.byteLength >= placedBytes
    if (region === undefined || !isWorth || this.#options.memory?.write(region, body) !== true) return { body }
    return { isPlaced: true, body: encodePlacement({ at: region.at, size: body.byteLength, room: region.size }) }
  }

  /** Reads it out of the region of its request, which is free from then on. */
  #bodyOfAnswer({ id, isPlaced, body }: Frame): Uint8Array {
    const region = this.#regions.get(id)
    this.#regions.delete(id)
    try {
      const size = isPlaced === true ? decodePlacement(body).size : body.byteLength
      this.#largestAnswer = Math.max(this.#largestAnswer, size)
      if (isPlaced !== true || region === undefined) return body
      if (size > region.size) throw new QuantdError('ERR_FRAME_SIZE', `an answer of ${size} bytes in a region of ${region.size}`)
      return this.#options.memory?.read(region.at, size) ?? noBody
    } finally {
      if (region !== undefined) this.#options.memory?.free(region)
    }
  }
}

/** The code, message and details of `error` as JSON; a detail that JSON has no word for is named, not sent. */
function formatError(error: unknown): unknown {
  const details = error instanceof QuantdError ? error.details : {}
  const safe = JSON.parse(JSON.stringify(details, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))) as unknown
  return { code: errorCode(error), message: errorMessage(error), details: safe }
}

function readError(meta: unknown): QuantdError {
  const { code, message, details } = meta as { code: ErrorCode; message: string; details: Record<string, unknown> }
  return new QuantdError(code, message, { details })
}

const aborted = (signal: AbortSignal | undefined) => new QuantdError('ERR_ABORTED', 'the request was cancelled', { cause: signal?.reason })

function withResolvers<T>(): { promise: Promise<T>; resolve(value: T): void; reject(reason: unknown): void } {
  let resolve!: (value: T) => void
  let reject!: (reason: unknown) => void
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
