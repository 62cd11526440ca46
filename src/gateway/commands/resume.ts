import { z } from 'zod'
import { defineCommand } from './command.js'

/** Takes requests again after `drain`. */
export const resume = defineCommand({
  verb: 'resume',
  help: 'take requests again after drain',
  request: z.strictObject({}),
  timeoutMs: 10_000,
  async handle(_, __, { daemon }) {
    daemon.resume()
    return { state: 'online' }
  },
})
