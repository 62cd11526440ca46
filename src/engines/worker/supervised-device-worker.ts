import { availableParallelism } from 'node:os'
import { errorCode, errorMessage, QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import type { BackOff } from '../../process/back-off.js'
import { type Message, noBody, type RequestOptions } from '../../process/channel.js'
import { startChild } from '../../process/child.js'
import { keepingFreedMemory } from '../../process/memory.js'
import { Supervisor, workerBackOff } from '../../process/supervisor.js'
import type { CallOptions, DeviceWorker } from './device-worker.js'
import type { DeviceWorkerCall, DeviceWorkerCalls } from './protocol.js'

const log = logger('engines/worker')

export interface DeviceWorkerOptions {
  /** Id of the device that the worker owns: for logs and messages. */
  readonly device: string
  /** Resident memory above which the process is replaced as soon as it is idle. */
  readonly memoryMiB: number
  /** Seconds of silence, beyond the limits of its calls, after which the process is killed. */
  readonly heartbeatS: number
  /** Added to the environment of the process: where its engine finds its library. */
  readonly env?: Readonly<Record<string, string>>
  readonly backOff?: BackOff
  readonly signal?: AbortSignal
}

/** How long one model may take to load again after a restart. */
const reopenLimitMs = 120_000
/** A model that takes the process with it so often in a row while it loads is not opened again. */
const maxDeathsOfOpening = 3

/** Threads of libuv: those that wait for inferences side by side, and its usual four for pictures and files. */
const poolThreads = availableParallelism() + 4

interface OpenModel {
  readonly request: DeviceWorkerCalls['open']['request']
  deaths: number
}

/** Starts the process of one device and resolves when it takes calls. @throws ERR_ABORTED */
export async function startDeviceWorker({
  device,
  memoryMiB,
  heartbeatS,
  env = {},
  backOff,
  signal,
}: DeviceWorkerOptions): Promise<DeviceWorker> {
  const open = new Map<string, OpenModel>()
  const name = `worker of ${device}`
  const supervisor = new Supervisor({
    name,
    start: () =>
      startChild({
        entry: new URL('./entry.js', import.meta.url),
        name,
        env: { UV_THREADPOOL_SIZE: String(poolThreads), ...keepingFreedMemory, ...env },
        bodies: 'shared',
      }),
    prepare: request => reopenAll({ device, open, request }),
    backOff: backOff ?? workerBackOff,
    heartbeatMs: heartbeatS * 1000,
    memoryMiB,
  })
  try {
    await supervisor.start(signal)
  } catch (error) {
    await supervisor.close()
    throw error
  }
  return new SupervisedDeviceWorker({ device, supervisor, open })
}

class SupervisedDeviceWorker implements DeviceWorker {
  readonly device: string
  readonly #supervisor: Supervisor
  readonly #open: Map<string, OpenModel>

  constructor({
    device,
    supervisor,
    open,
  }: { readonly device: string; readonly supervisor: Supervisor; readonly open: Map<string, OpenModel> }) {
    this.device = device
    this.#supervisor = supervisor
    this.#open = open
  }

  get state(): DeviceWorker['state'] {
    return this.#supervisor.state
  }

  holds(key: string): boolean {
    return this.#supervisor.state === 'ready' && this.#open.has(key)
  }

  async call<K extends DeviceWorkerCall>(
    name: K,
    request: DeviceWorkerCalls[K]['request'],
    { body = noBody, timeoutMs, silentMs, signal }: CallOptions,
  ): Promise<{ readonly meta: DeviceWorkerCalls[K]['response']; readonly body: Uint8Array }> {
    const isClose = name === 'close'
    // Forgotten before the call: a restart in between must not bring it back.
    if (isClose) this.#open.delete((request as DeviceWorkerCalls['close']['request']).key)
    const answer = await this.#supervisor.request({ ...request, do: name }, body, { timeoutMs, silentMs, signal })
    if (name === 'open') {
      const opened = request as DeviceWorkerCalls['open']['request']
      this.#open.set(opened.key, { request: opened, deaths: 0 })
    }
    // The worker answers what `protocol.ts` says of this call: both ends are compiled against it.
    return answer as { readonly meta: DeviceWorkerCalls[K]['response']; readonly body: Uint8Array }
  }

  figures(): ReturnType<DeviceWorker['figures']> {
    return this.#supervisor.figures()
  }

  on(listener: (event: 'lost' | 'back') => void): () => void {
    return this.#supervisor.on(listener)
  }

  check(): void {
    this.#supervisor.check()
  }

  replace(reason: string): void {
    this.#supervisor.replace(reason)
  }

  close(): Promise<void> {
    return this.#supervisor.close()
  }
}

interface Reopen {
  readonly device: string
  readonly open: Map<string, OpenModel>
  readonly request: (meta: unknown, body: Uint8Array, options: RequestOptions) => Promise<Message>
}

/** Opens again, one after the other, what was open. A model that fails stays closed; one that kills the process is given up after a few deaths. */
async function reopenAll({ device, open, request }: Reopen): Promise<void> {
  for (const [key, model] of [...open]) {
    try {
      await request({ ...model.request, do: 'open' }, noBody, { timeoutMs: reopenLimitMs })
      model.deaths = 0
    } catch (error) {
      const isDeath = error instanceof QuantdError && error.code === 'ERR_WORKER_GONE'
      model.deaths += 1
      if (!isDeath || model.deaths >= maxDeathsOfOpening) {
        open.delete(key)
        log.error({ device, key, code: errorCode(error), error: errorMessage(error), deaths: model.deaths }, 'model not opened again')
      }
      if (isDeath) throw error
    }
  }
}
