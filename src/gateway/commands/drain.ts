import { z } from 'zod'
import { defineCommand } from './command.js'

/** Refuses new requests and answers when the last one of those in the house is answered. */
export const drain = defineCommand({
  verb: 'drain',
  help: 'answer what is in the house, refuse what comes',
  request: z.strictObject({}),
  timeoutMs: 60_000,
  async handle(_, __, { daemon }) {
    await daemon.drain()
    return { state: 'draining' }
  },
})
