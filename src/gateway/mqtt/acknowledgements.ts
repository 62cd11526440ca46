import type { MqttClient } from 'mqtt'
import { writeToStream } from 'mqtt-packet'

/** Tells the broker that a message is taken. Once; later calls do nothing. */
export type Acknowledge = () => void

interface Owed {
  readonly messageId: number
  settled: boolean
}

/**
 * PUBACKs of one connection to the broker, which leave in the order in which the messages came (MQTT 5, 4.6) and only when their owner says so: after the commit
 * of the inbox, or after the answer. MQTT.js alone would acknowledge one message at a time, before it reads the next.
 */
export class Acknowledgements {
  readonly #client: MqttClient
  readonly #owed: Owed[] = []

  constructor(client: MqttClient) {
    this.#client = client
  }

  /** Owed now; nothing leaves before those in front of it did. */
  add(messageId: number): Acknowledge {
    const owed: Owed = { messageId, settled: false }
    this.#owed.push(owed)
    return () => {
      owed.settled = true
      this.#send()
    }
  }

  #send(): void {
    const { stream, connected, options } = this.#client
    while (this.#owed[0]?.settled) {
      const { messageId } = this.#owed.shift() as Owed
      // A connection that broke has no acknowledgements: the broker sends the message again on the next, with DUP.
      if (connected && stream.writable) writeToStream({ cmd: 'puback', messageId, reasonCode: 0 }, stream, options)
    }
  }
}
