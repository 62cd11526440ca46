import { z } from 'zod'
import { defineCommand } from './command.js'

/** What this host computes with, and what each part is good for. Reads only. */
export const devices = defineCommand({
  verb: 'devices',
  help: 'list the devices of this host',
  request: z.strictObject({}),
  timeoutMs: 10_000,
  handle: async (_, __, { devices: found }) => ({ devices: found() }),
})
