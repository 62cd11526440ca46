import { z } from 'zod'
import { ModelName } from '../../samples/manifest.js'
import { defineCommand } from './command.js'

/** Deletes every captured request of a model, also of one that is unloaded. A job that is reading them keeps its files until it ends. */
export const erase = defineCommand({
  verb: 'erase',
  help: 'delete every captured request of a model',
  request: z.strictObject({ model: ModelName }),
  timeoutMs: 60_000,
  handle: async ({ model }, _, { capture }) => ({ model, erased: await capture.erase(model) }),
})
