import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { errorMessage, QuantdError } from '../errors.js'
import { decodeInputs } from './decode-request.js'
import type { EncodedRequest } from './request.js'
import type { InputContext } from './request-context.js'
import type { Label, Sample, SampleSource } from './sample.js'

/** A request's bytes in a file, as capture keeps them. */
export interface StoredRequest extends Omit<EncodedRequest, 'body'> {
  readonly id: string
  readonly path: string
  readonly label?: Label
}

/**
 * Requests as they once came over the wire, decoded as the device worker decodes them: what is calibrated on is what is served.
 * @throws ERR_SAMPLES_READ when a file is gone
 */
export async function openRequests(requests: readonly StoredRequest[], context: InputContext): Promise<SampleSource> {
  const hash = createHash('sha256').update(JSON.stringify([context.inputs, context.manifest.inputs, context.manifest.state]))
  for (const request of requests) {
    const { id, contentType, jsonLength, label } = request
    hash.update(JSON.stringify([id, contentType, jsonLength, label])).update(await readBody(request))
  }
  return new RequestSource({ requests, context, hash: hash.digest('hex') })
}

interface RequestSourceFields {
  readonly requests: readonly StoredRequest[]
  readonly context: InputContext
  readonly hash: string
}

class RequestSource implements SampleSource {
  readonly count: number
  readonly labelled: boolean
  readonly hash: string
  readonly #requests: readonly StoredRequest[]
  readonly #context: InputContext

  constructor({ requests, context, hash }: RequestSourceFields) {
    this.count = requests.length
    this.labelled = requests.some(({ label }) => label !== undefined)
    this.hash = hash
    this.#requests = requests
    this.#context = context
  }

  async read(index: number): Promise<Sample> {
    const request = this.#requests[index]
    if (request === undefined) throw new QuantdError('ERR_SAMPLES_READ', `no sample ${index}; there are ${this.count}`)
    const { id, label, contentType, jsonLength } = request
    const body = await readBody(request)
    try {
      const inputs = await decodeInputs({ contentType, body, ...(jsonLength === undefined ? {} : { jsonLength }) }, this.#context)
      return label === undefined ? { id, inputs } : { id, inputs, label }
    } catch (error) {
      throw new QuantdError('ERR_SAMPLES_READ', `sample '${id}': ${errorMessage(error)}`, { cause: error, details: { id } })
    }
  }

  async close(): Promise<void> {}
}

async function readBody({ id, path }: StoredRequest): Promise<Uint8Array> {
  try {
    const bytes = await readFile(path)
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  } catch (error) {
    throw new QuantdError('ERR_SAMPLES_READ', `sample '${id}': ${errorMessage(error)}`, { cause: error, details: { id, path } })
  }
}
