import { z } from 'zod'
import { ModelName } from '../../samples/manifest.js'
import { defineCommand } from './command.js'

/** Keeps a version answering, whatever jobs find; also one that was refused. `pinned: false` lets jobs replace it again. */
export const pin = defineCommand({
  verb: 'pin',
  help: 'keep a version answering, whatever jobs find',
  request: z.strictObject({
    model: ModelName,
    version: z.string().min(1).max(32).optional().describe('default: the one that answers'),
    pinned: z.boolean().default(true),
  }),
  timeoutMs: 120_000,
  handle: ({ model, version, pinned }, _, { models }) => models.pin(model, { pinned, ...(version === undefined ? {} : { version }) }),
})
