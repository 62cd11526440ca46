import { assertNever, QuantdError } from '../../errors.js'
import { type Message, noBody } from '../../process/channel.js'
import { residentMiB } from '../../process/memory.js'
import { compareSessions } from './compare-sessions.js'
import type { DeviceWorkerCall, DeviceWorkerCalls } from './protocol.js'
import { ServedModel } from './served-model.js'

type Call = { [K in DeviceWorkerCall]: { do: K } & DeviceWorkerCalls[K]['request'] }[DeviceWorkerCall]

/** The models of one device worker by key, and its answers to the calls of `protocol.ts`. Knows no process and no pipe. */
export class DeviceHost {
  readonly #models = new Map<string, ServedModel>()

  /** @throws what the call throws, as a coded error */
  async handle({ meta, body }: Message): Promise<Message> {
    // The only sender is the daemon, which is compiled against the same types.
    const call = meta as Call
    switch (call.do) {
      case 'open':
        return { meta: await this.#open(call), body: noBody }
      case 'infer': {
        const { contentType, jsonLength, id } = call
        const answer = await this.#model(call.key).infer({ contentType, body, ...(jsonLength === undefined ? {} : { jsonLength }) }, id)
        const { body: answerBody, ...answerMeta } = answer
        return { meta: answerMeta, body: answerBody }
      }
      case 'compare': {
        const { contentType, jsonLength, rounds, warmUps } = call
        const request = { contentType, body, ...(jsonLength === undefined ? {} : { jsonLength }) }
        const models = call.keys.map(key => this.#model(key))
        const turns = { request, rounds, ...(warmUps === undefined ? {} : { warmUps }) }
        return { meta: { timesUs: await compareSessions(models, turns) }, body: noBody }
      }
      case 'close':
        await this.#close(call.key)
        return { meta: {}, body: noBody }
      case 'stats': {
        const inFlight = [...this.#models.values()].reduce((sum, model) => sum + model.queue.length, 0)
        return { meta: { rssMiB: residentMiB(), keys: [...this.#models.keys()], inFlight }, body: noBody }
      }
      default:
        return assertNever(call)
    }
  }

  /** What was open under the same key is replaced once the new model is ready. */
  async #open(request: DeviceWorkerCalls['open']['request']): Promise<DeviceWorkerCalls['open']['response']> {
    const start = performance.now()
    const before = residentMiB()
    const model = await ServedModel.open(request)
    const former = this.#models.get(request.key)
    this.#models.set(request.key, model)
    await former?.close()
    const { inputs, outputs, parallel = 1 } = model.session
    const rssMiB = residentMiB()
    return { inputs, outputs, parallel, loadMs: Math.round(performance.now() - start), rssMiB, memoryMiB: Math.max(0, rssMiB - before) }
  }

  async #close(key: string): Promise<void> {
    const model = this.#models.get(key)
    this.#models.delete(key)
    await model?.close()
  }

  #model(key: string): ServedModel {
    const model = this.#models.get(key)
    if (model !== undefined) return model
    throw new QuantdError('ERR_WORKER_KEY', `no model is open under '${key}'`, { details: { key, open: [...this.#models.keys()] } })
  }

  /** Closes every model. */
  async close(): Promise<void> {
    for (const key of [...this.#models.keys()]) await this.#close(key)
  }
}
