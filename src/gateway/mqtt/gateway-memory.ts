import { errorMessage } from '../../errors.js'
import { logger } from '../../log.js'
import type { StateStore } from '../store/state-store.js'

const log = logger('gateway/mqtt')

export type GatewayStore = Pick<StateStore, 'next' | 'remember' | 'remembered'>

const topicsKey = 'mqtt.retained'

/** What the gateway on its broker remembers across restarts: the epoch, and which topics it retained. A full disk must not keep it off its broker. */
export class GatewayMemory {
  readonly #store: GatewayStore

  constructor(store: GatewayStore) {
    this.#store = store
  }

  /** Counts starts and connects; 0 when it cannot be stored. */
  nextEpoch(): number {
    try {
      return this.#store.next('epoch')
    } catch (error) {
      log.warn({ error: errorMessage(error) }, 'epoch not stored')
      return 0
    }
  }

  topics(): readonly string[] {
    const text = this.#store.remembered(topicsKey)
    const parsed: unknown = text === undefined ? [] : JSON.parse(text)
    return Array.isArray(parsed) ? parsed.filter(topic => typeof topic === 'string') : []
  }

  rememberTopics(topics: readonly string[]): void {
    try {
      this.#store.remember(topicsKey, JSON.stringify(topics))
    } catch (error) {
      log.warn({ error: errorMessage(error) }, 'list of retained topics not stored')
    }
  }
}
