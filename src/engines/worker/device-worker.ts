import type { DeviceWorkerCall, DeviceWorkerCalls } from './protocol.js'

export interface CallOptions {
  /** Bytes that travel as the frame's body. */
  readonly body?: Uint8Array
  readonly timeoutMs: number
  /** How long the call may keep the process from answering pings; default: `timeoutMs`. */
  readonly silentMs?: number
  readonly signal?: AbortSignal
}

/**
 * The daemon's side of one device worker process: supervised with back-off, pinged, recycled when idle and too large. After a restart it opens again
 * every key that was open. Calls in flight when the process dies reject with ERR_WORKER_GONE; calls made while it restarts wait, within their time limit.
 */
export interface DeviceWorker {
  readonly device: string
  readonly state: 'starting' | 'ready' | 'restarting' | 'closed'
  /** Whether a call of the session under `key` would find it open now. */
  holds(key: string): boolean
  /** @throws ERR_WORKER_GONE, ERR_WORKER_CLOSED, ERR_TIMEOUT, or what the worker answered, code and details kept */
  call<K extends DeviceWorkerCall>(
    name: K,
    request: DeviceWorkerCalls[K]['request'],
    options: CallOptions,
  ): Promise<{ readonly meta: DeviceWorkerCalls[K]['response']; readonly body: Uint8Array }>
  /** Process id and resident memory, for health; undefined while it restarts. */
  figures(): { readonly pid: number | undefined; readonly restarts: number; readonly rssMiB: number | undefined; readonly inFlight: number }
  on(listener: (event: 'lost' | 'back') => void): () => void
  /** Pings the process now; one that does not answer is killed and started again. */
  check(): void
  /** Kills the process and starts it again: an inference in it does not end. */
  replace(reason: string): void
  /** Lets calls in flight finish, then ends the process. */
  close(): Promise<void>
}
