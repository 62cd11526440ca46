import { type FastifyInstance, fastify } from 'fastify'
import { errorMessage, QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import { metricsRegistry } from './metrics.js'
import type { OperationsView } from './operations-view.js'

const log = logger('gateway/http')

/** 'host:port', host in brackets when it is IPv6. */
function splitAddress(listen: string): { readonly host: string; readonly port: number } {
  const at = listen.lastIndexOf(':')
  return { host: listen.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(listen.slice(at + 1)) }
}

/**
 * `/health` (JSON), `/health/live`, `/health/ready` (200 or 503) and `/metrics` (Prometheus text) on an address of this host. Reads only; no control here.
 */
export class OperationsServer {
  readonly #server: FastifyInstance
  readonly #address: string

  private constructor(server: FastifyInstance, address: string) {
    this.#server = server
    this.#address = address
  }

  /** @param listen address:port, port 0 = any. @throws ERR_HTTP_LISTEN */
  static async start(listen: string, view: OperationsView): Promise<OperationsServer> {
    const server = fastify({ logger: false, bodyLimit: 1024, forceCloseConnections: true })
    const registry = metricsRegistry(view)
    // What the transport tells follows within its own rhythm; a drained queue refuses at once.
    const now = () => {
      const { ready, ...status } = view.status()
      return { ...status, ready: ready && !view.serving().draining }
    }
    server.get('/health', (_request, reply) => {
      const status = now()
      return reply.code(status.ready ? 200 : 503).send({ live: true, ...status, serving: view.serving(), journal: view.journal() })
    })
    server.get('/health/live', () => ({ live: true }))
    server.get('/health/ready', (_request, reply) => {
      const { ready, state, reasons } = now()
      return reply.code(ready ? 200 : 503).send({ ready, state, reasons })
    })
    server.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
    try {
      const address = await server.listen(splitAddress(listen))
      log.info({ address }, 'health and metrics')
      return new OperationsServer(server, address)
    } catch (error) {
      await server.close()
      throw new QuantdError('ERR_HTTP_LISTEN', `http.listen ${listen}: ${errorMessage(error)}`, { details: { listen }, cause: error })
    }
  }

  /** http://host:port as it came out. */
  get address(): string {
    return this.#address
  }

  async close(): Promise<void> {
    await this.#server.close()
  }
}
