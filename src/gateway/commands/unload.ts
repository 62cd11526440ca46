import { z } from 'zod'
import { ModelName } from '../../samples/manifest.js'
import { defineCommand } from './command.js'

/** Takes a model out of service and off the disk, with all its versions. What was captured for it stays until `erase`. */
export const unload = defineCommand({
  verb: 'unload',
  help: 'take a model out of service and off the disk',
  request: z.strictObject({ model: ModelName }),
  timeoutMs: 60_000,
  async handle({ model }, _, { models }) {
    await models.unload(model)
    return { model, state: 'unloaded' }
  },
})
