import type { Outgoing, Sent } from './send-window.js'

export interface RetainedTopicsOptions {
  readonly publish: (message: Outgoing) => Promise<Sent>
  readonly isUp: () => boolean
  /** Topics that an earlier run retained and may have left behind. */
  readonly remembered: readonly string[]
  /** Called with all topics when the set of them changes: kept, so that what is dropped later can still be cleared (mqtt-contract.md 4i). */
  readonly remember: (topics: readonly string[]) => void
}

interface Retained {
  readonly payload: string
  readonly expiryS: number | undefined
}

/** The retained state of this gateway: the last document of each topic, published when it changes and all of it after each connect. */
export class RetainedTopics {
  readonly #options: RetainedTopicsOptions
  readonly #topics = new Map<string, Retained>()
  /** Retained at the broker, and no more ours: to be cleared when it is there. */
  readonly #stale: Set<string>

  constructor(options: RetainedTopicsOptions) {
    this.#options = options
    this.#stale = new Set(options.remembered)
  }

  set(topic: string, document: object, { expiryS }: { readonly expiryS?: number } = {}): void {
    const payload = JSON.stringify(document)
    const found = this.#topics.get(topic)
    if (found?.payload === payload) return
    this.#topics.set(topic, { payload, expiryS })
    if (this.#stale.delete(topic) || found === undefined) this.#remember()
    if (this.#options.isUp()) this.#publish(topic)
  }

  clear(topic: string): void {
    if (!this.#topics.delete(topic)) return
    this.#stale.add(topic)
    if (this.#options.isUp()) this.#clearStale()
    else this.#remember()
  }

  /** Topics below a prefix that are set now. */
  below(prefix: string): readonly string[] {
    return [...this.#topics.keys()].filter(topic => topic.startsWith(prefix))
  }

  /** After a connect: everything anew, since nobody knows what the broker kept. */
  republish(): void {
    this.#clearStale()
    for (const topic of this.#topics.keys()) this.#publish(topic)
  }

  #publish(topic: string): void {
    const retained = this.#topics.get(topic)
    if (retained === undefined) return
    const { payload, expiryS } = retained
    const properties = {
      contentType: 'application/json',
      payloadFormatIndicator: true,
      ...(expiryS === undefined ? {} : { messageExpiryInterval: expiryS }),
    }
    void this.#options.publish({ topic, payload, qos: 1, retain: true, properties })
  }

  #clearStale(): void {
    for (const topic of this.#stale) {
      void this.#options.publish({ topic, payload: '', qos: 1, retain: true }).then(({ kind }) => {
        if (kind === 'dropped' || this.#topics.has(topic)) return
        this.#stale.delete(topic)
        this.#remember()
      })
    }
  }

  #remember(): void {
    this.#options.remember([...new Set([...this.#topics.keys(), ...this.#stale])].sort())
  }
}
