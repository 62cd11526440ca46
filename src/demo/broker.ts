import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { Aedes } from 'aedes'

/** aedes on a free port of loopback: the broker of the tour, so that one command shows the product. MQTT 3.1.1; production has a broker of its own. */
export class EmbeddedBroker implements AsyncDisposable {
  readonly url: string
  readonly #stop: () => Promise<void>

  private constructor(port: number, stop: () => Promise<void>) {
    this.url = `mqtt://127.0.0.1:${port}`
    this.#stop = stop
  }

  static async start(): Promise<EmbeddedBroker> {
    const broker = await Aedes.createBroker()
    const server = createServer({ noDelay: true }, broker.handle)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new EmbeddedBroker((server.address() as AddressInfo).port, async () => {
      await new Promise<void>(resolve => broker.close(resolve))
      await new Promise<void>(resolve => server.close(() => resolve()))
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
  }
}
