import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { PassThrough } from 'node:stream'
import { type FastifyInstance, fastify } from 'fastify'
import { errorMessage, QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import { callCommand } from '../commands/call-command.js'
import type { Command, Services } from '../commands/command.js'
import { isTerminal } from '../jobs/job.js'
import type { Uploads } from '../store/uploads.js'
import { Refusal, toWireError } from '../wire-errors.js'

const log = logger('gateway/http')

export interface ControlServerOptions {
  /** Where the socket may lie, best first (config/control-socket.ts). */
  readonly paths: readonly string[]
  readonly commands: readonly Command[]
  readonly services: Services
  readonly uploads: Uploads
  /** What `GET /status` answers besides the version: state, epoch, broker, notes of the probes. Plain JSON. */
  readonly status: () => Readonly<Record<string, unknown>>
  readonly uploadLimits: { readonly maxBytes: number; readonly reserveBytes: number }
}

/** sun_path of unix(7), less its terminator; libuv cuts longer ones silently. */
const maxPathBytes = 107

/** True when a daemon answers on the socket; a file that a crash left behind does not. */
function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/**
 * The control socket: HTTP with JSON over a unix socket of mode 0660, so that who may use it is who is in the group `quantd`. The command line speaks it;
 * commands are those of MQTT, called as 'cli', and refusals have the same body.
 *
 * | request | answer |
 * |---|---|
 * | POST /commands/VERB, JSON | 200 or 202 with what the command answers |
 * | GET /models, /jobs, /jobs/ID, /devices, /status | the records as JSON |
 * | GET /jobs/ID/events | one JSON line per change of the job, the last one is terminal |
 * | PUT /bundles, a .tar | `{sha256, path, sizeBytes}`, for the `load` that follows |
 */
export class ControlServer {
  readonly path: string
  readonly #server: FastifyInstance

  private constructor(path: string, server: FastifyInstance) {
    this.path = path
    this.#server = server
  }

  /** @throws ERR_HTTP_SOCKET when no path can be bound, or another daemon answers on one */
  static async start(options: ControlServerOptions): Promise<ControlServer> {
    const failures: string[] = []
    for (const path of options.paths) {
      if (Buffer.byteLength(path) > maxPathBytes) {
        failures.push(`${path}: longer than the ${maxPathBytes} bytes of a socket address`)
        continue
      }
      if (await answers(path)) throw new QuantdError('ERR_HTTP_SOCKET', `${path}: another daemon answers there`, { details: { path } })
      const server = routes(options)
      try {
        mkdirSync(dirname(path), { recursive: true, mode: 0o750 })
        rmSync(path, { force: true })
        await server.listen({ path })
        chmodSync(path, 0o660)
        log.info({ path }, 'control socket')
        return new ControlServer(path, server)
      } catch (error) {
        await server.close()
        failures.push(`${path}: ${errorMessage(error)}`)
      }
    }
    throw new QuantdError('ERR_HTTP_SOCKET', failures.join('; '), { details: { paths: options.paths } })
  }

  /** Ends event streams, lets commands in flight answer, removes the socket. */
  async close(): Promise<void> {
    await this.#server.close()
    rmSync(this.path, { force: true })
  }
}

function routes({ commands, services, uploads, status, uploadLimits }: ControlServerOptions): FastifyInstance {
  const server = fastify({ logger: false, bodyLimit: 1 << 20, forceCloseConnections: 'idle', routerOptions: { maxParamLength: 200 } })
  server.setErrorHandler((error, request, reply) => {
    const foreign = error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    const known = foreign ? new QuantdError('ERR_REQUEST_BODY', `${request.method} ${request.url}: ${error.message}`) : error
    const wire = toWireError(known)
    if (wire.status >= 500) log.warn({ url: request.url, err: error }, 'control request failed')
    return reply.code(wire.status).send(wire)
  })
  server.addContentTypeParser('application/x-tar', (_request, payload, done) => done(null, payload))

  server.post<{ Params: { verb: string } }>('/commands/:verb', async (request, reply) => {
    const gone = new AbortController()
    request.raw.socket.once('close', () => gone.abort())
    const call = { caller: 'cli', trigger: 'cli', signal: gone.signal } as const
    const answer = await callCommand({ commands, services, verb: request.params.verb, body: request.body ?? {}, call })
    return reply.code('job_id' in answer ? 202 : 200).send(answer)
  })
  server.get('/models', () => services.models.list())
  server.get('/devices', () => services.devices())
  server.get('/jobs', () => services.jobs.list())
  server.get('/status', () => status())

  const job = (id: string) => {
    const found = services.jobs.get(id)
    if (found === undefined)
      throw new Refusal('INVALID_ARGUMENT', 'ERR_REQUEST_JOB', `there is no job '${id}'`, { details: { job_id: id } })
    return found
  }
  server.get<{ Params: { id: string } }>('/jobs/:id', request => job(request.params.id))

  const streams = new Set<PassThrough>()
  server.addHook('preClose', done => {
    for (const stream of streams) stream.end()
    done()
  })
  server.get<{ Params: { id: string } }>('/jobs/:id/events', (request, reply) => {
    const { id } = request.params
    const first = job(id)
    const stream = new PassThrough()
    streams.add(stream)
    const off = services.jobs.on(changed => {
      if (changed.job_id !== id) return
      stream.write(`${JSON.stringify(changed)}\n`)
      if (isTerminal(changed.state)) stream.end()
    })
    stream.once('close', () => {
      off()
      streams.delete(stream)
    })
    stream.write(`${JSON.stringify(first)}\n`)
    if (isTerminal(first.state)) stream.end()
    return reply.type('application/x-ndjson').send(stream)
  })

  server.put('/bundles', { bodyLimit: Number.MAX_SAFE_INTEGER }, request =>
    uploads.receive(request.body as AsyncIterable<Uint8Array>, uploadLimits),
  )
  server.delete<{ Params: { sha256: string } }>('/bundles/:sha256', async (request, reply) => {
    await uploads.discard(request.params.sha256)
    return reply.code(204).send()
  })
  return server
}
