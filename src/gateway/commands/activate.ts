import { z } from 'zod'
import { ModelName } from '../../samples/manifest.js'
import { defineCommand } from './command.js'

/** Makes a version the one that answers, beside the old one and without a dropped request. A pin ends: use `pin` to keep the version. */
export const activate = defineCommand({
  verb: 'activate',
  help: 'make a version of a model the one that answers',
  request: z.strictObject({
    model: ModelName,
    version: z.string().min(1).max(32),
    force: z.boolean().default(false).describe('also a version that was refused'),
  }),
  timeoutMs: 120_000,
  handle: ({ model, version, force }, _, { models }) => models.activate(model, version, { force, pin: false }),
})
