import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { errorMessage, QuantdError } from '../../errors.js'
import { isTerminal, type Job } from '../../gateway/jobs/job.js'
import type { Note } from '../../hardware/hardware.js'
import { type GatewayClient, type Json, listOf } from './gateway-client.js'
import { RemoteRefusal } from './remote-refusal.js'

interface Send {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly body?: string | NodeJS.ReadableStream
  readonly type?: string
}

/** The daemon of this host through its control socket (gateway/http/control-server.ts). */
export class ControlClient implements GatewayClient {
  readonly where: string
  readonly #path: string
  readonly #signal: AbortSignal

  constructor(path: string, signal: AbortSignal) {
    this.where = `control socket ${path}`
    this.#path = path
    this.#signal = signal
  }

  command(verb: string, body: Json): Promise<Json> {
    return this.#json({
      method: 'POST',
      path: `/commands/${encodeURIComponent(verb)}`,
      body: JSON.stringify(body),
      type: 'application/json',
    })
  }

  async models(): Promise<readonly Json[]> {
    return listOf<Json>(await this.command('models', {}), 'models')
  }

  devices(): Promise<readonly Json[]> {
    return this.#json({ method: 'GET', path: '/devices' })
  }

  jobs(): Promise<readonly Job[]> {
    return this.#json({ method: 'GET', path: '/jobs' })
  }

  async notes(): Promise<readonly Note[]> {
    const { notes } = await this.#json<{ notes?: readonly Note[] }>({ method: 'GET', path: '/status' })
    return notes ?? []
  }

  async upload(tar: NodeJS.ReadableStream): Promise<string> {
    const { sha256 } = await this.#json<{ sha256: string }>({ method: 'PUT', path: '/bundles', body: tar, type: 'application/x-tar' })
    return sha256
  }

  async discard(sha256: string): Promise<void> {
    const response = await this.#send({ method: 'DELETE', path: `/bundles/${sha256}` })
    response.resume()
  }

  async follow(jobId: string, changed: (job: Job) => void): Promise<Job> {
    const response = await this.#send({ method: 'GET', path: `/jobs/${encodeURIComponent(jobId)}/events` })
    if (response.statusCode !== 200) throw new RemoteRefusal(JSON.parse(await text(response)))
    let last: Job | undefined
    try {
      for await (const line of lines(response)) {
        last = JSON.parse(line) as Job
        changed(last)
      }
    } catch (error) {
      throw this.#broken(error)
    }
    if (last !== undefined && isTerminal(last.state)) return last
    throw new QuantdError('ERR_CLI_NO_ANSWER', `job ${jobId}: the daemon ended before the job did`, { details: { job_id: jobId } })
  }

  async close(): Promise<void> {}

  async #json<T = never>(send: Send): Promise<T> {
    const response = await this.#send(send)
    const body: unknown = JSON.parse((await text(response)) || '{}')
    if ((response.statusCode ?? 500) >= 400) throw new RemoteRefusal(body)
    return body as T
  }

  async #send({ method, path, body, type }: Send): Promise<IncomingMessage> {
    const sent = request({
      socketPath: this.#path,
      method,
      path,
      signal: this.#signal,
      ...(type === undefined ? {} : { headers: { 'content-type': type } }),
    })
    if (body === undefined || typeof body === 'string') sent.end(body)
    else body.once('error', error => sent.destroy(error as Error)).pipe(sent)
    try {
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      return response
    } catch (error) {
      throw this.#broken(error)
    }
  }

  /** What a broken connection means: we were stopped, or the daemon ended. */
  #broken(error: unknown): QuantdError {
    if (this.#signal.aborted) return new QuantdError('ERR_ABORTED', 'stopped', { cause: error })
    if (error instanceof QuantdError) return error
    return new QuantdError('ERR_CLI_NO_ANSWER', `${this.where}: ${errorMessage(error)}`, { cause: error })
  }
}

/** Whole lines of a response as they come; readline would hide its errors. */
async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of response.setEncoding('utf8')) {
    const parts = (rest + String(chunk)).split('\n')
    rest = parts.pop() ?? ''
    yield* parts
  }
}

async function text(response: IncomingMessage): Promise<string> {
  let whole = ''
  for await (const chunk of response.setEncoding('utf8')) whole += String(chunk)
  return whole
}
