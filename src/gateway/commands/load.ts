import { z } from 'zod'
import { ModelName } from '../../samples/manifest.js'
import { defineCommand } from './command.js'

/** Puts a bundle into service: one that was uploaded through the control socket, or one that lies at an allowed address. */
export const load = defineCommand({
  verb: 'load',
  help: 'put a bundle into service',
  request: z.strictObject({
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .describe('of the uploaded or addressed file'),
    url: z
      .url({ protocol: /^https$/ })
      .optional()
      .describe('address below a prefix of load.allow; default: what was uploaded'),
    name: ModelName.optional().describe('default: the name in model.json'),
  }),
  timeoutMs: 300_000,
  async handle({ sha256, url, name }, { signal }, { daemon, models }) {
    const path = await daemon.fetchBundle({ sha256, ...(url === undefined ? {} : { url }) })
    return models.load(path, { signal, ...(name === undefined ? {} : { name }) })
  },
})
