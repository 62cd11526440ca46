import { z } from 'zod'
import { ModelName } from '../../samples/manifest.js'
import { defineCommand } from './command.js'

/** Goes back to the version that answered before; it is still open, so this takes effect at once. */
export const rollback = defineCommand({
  verb: 'rollback',
  help: 'go back to the version that answered before',
  request: z.strictObject({ model: ModelName }),
  timeoutMs: 30_000,
  handle: ({ model }, _, { models }) => models.rollback(model),
})
