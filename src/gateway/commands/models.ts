import { z } from 'zod'
import { defineCommand } from './command.js'

/** Every model with its versions and what is captured for it. Reads only. */
export const models = defineCommand({
  verb: 'models',
  help: 'list models, their versions and captured samples',
  request: z.strictObject({}),
  timeoutMs: 10_000,
  handle: async (_, __, { models: registry, capture }) => ({
    models: registry.list().map(model => ({ ...model, capture: capture.state(model.name) })),
  }),
})
