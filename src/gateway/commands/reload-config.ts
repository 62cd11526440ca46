import { z } from 'zod'
import { defineCommand } from './command.js'

/** Reads the configuration file again; answers with the changed keys that wait for a restart. A wrong file changes nothing. */
export const reloadConfig = defineCommand({
  verb: 'reload-config',
  help: 'read the configuration file again',
  request: z.strictObject({}),
  timeoutMs: 30_000,
  handle: (_, __, { daemon }) => daemon.reloadConfig(),
})
