import { z } from 'zod'
import { CaptureSettings, ModelName } from '../../samples/manifest.js'
import { defineCommand } from './command.js'

const { max_mb, max_age_h, max_samples, least_confident } = CaptureSettings.shape

/** Turns the capture of requests on or off and sets its budget; what is left out stays as it is. The answer is the state of capture. */
export const capture = defineCommand({
  verb: 'capture',
  help: 'keep requests of a model for calibration, or stop to',
  request: z.strictObject({
    model: ModelName,
    mode: z.enum(['on', 'off']).optional(),
    max_mb: max_mb.unwrap().optional(),
    max_age_h: max_age_h.unwrap().optional(),
    max_samples: max_samples.unwrap().optional(),
    least_confident: least_confident.unwrap().optional(),
  }),
  timeoutMs: 30_000,
  async handle({ model, ...change }, _, { capture: store, models }) {
    const settings = CaptureSettings.parse({ ...models.get(model).manifest.capture, ...change })
    await models.setCapture(model, settings)
    await store.configure(model, settings)
    return store.state(model)
  },
})
