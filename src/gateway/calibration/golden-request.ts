import { readFile } from 'node:fs/promises'
import type { EncodedRequest } from '../../samples/request.js'
import type { Capture } from './capture.js'

/** A request of the site that `model` has answered before: the oldest one of the reservoir, or undefined when none was captured. */
export async function goldenRequest(capture: Capture, model: string): Promise<EncodedRequest | undefined> {
  const { samples, release } = await capture.snapshot(model)
  try {
    const oldest = samples.find(({ pool }) => pool === 'reservoir')
    if (oldest === undefined) return undefined
    const { contentType, jsonLength, path } = oldest
    return { contentType, body: await readFile(path), ...(jsonLength === undefined ? {} : { jsonLength }) }
  } finally {
    await release()
  }
}
