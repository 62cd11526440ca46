import { randomUUID } from 'node:crypto'
import type { Outgoing, Sent } from './send-window.js'
import type { Topics } from './topics.js'

export type EventKind =
  | 'model.activated'
  | 'model.rolledback'
  | 'device.lost'
  | 'device.back'
  | 'capture.full'
  | 'job.finished'
  | 'journal.undurable'
  | 'security.rejected'

/** Seconds that an event is worth telling. */
const expiryS = 3600
/** Events of one kind in a second at most: whoever is rejected a thousand times a second is told of once. */
const perSecond = 10

/** Events as CloudEvents 1.0 in binary mode: attributes are user properties, the body is the data (mqtt-contract.md 4a). */
export class Events {
  readonly #publish: (message: Outgoing) => Promise<Sent>
  readonly #topics: Topics
  readonly #now: () => number
  readonly #windows = new Map<EventKind, { second: number; count: number }>()

  constructor({ publish, topics, now }: { publish: (message: Outgoing) => Promise<Sent>; topics: Topics; now: () => number }) {
    this.#publish = publish
    this.#topics = topics
    this.#now = now
  }

  tell(kind: EventKind, data: object, subject: string): void {
    const second = Math.floor(this.#now() / 1000)
    const window = this.#windows.get(kind)
    const count = window?.second === second ? window.count + 1 : 1
    this.#windows.set(kind, { second, count })
    if (count > perSecond) return
    const time = new Date().toISOString()
    void this.#publish({
      topic: this.#topics.event(kind),
      payload: JSON.stringify({ ...data, time }),
      qos: 1,
      properties: {
        contentType: 'application/json',
        payloadFormatIndicator: true,
        messageExpiryInterval: expiryS,
        userProperties: { specversion: '1.0', id: randomUUID(), source: this.#topics.source, type: `quantd.${kind}`, subject, time },
      },
    })
  }
}
