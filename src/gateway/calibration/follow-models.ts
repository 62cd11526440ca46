import { CaptureSettings } from '../../samples/manifest.js'
import type { ModelRecord, Models } from '../models/model.js'
import type { Capture } from './capture.js'

/**
 * Keeps capture as the models are: configured as the manifests say, off for a model that was unloaded, emptied when a bundle of the same name takes other
 * inputs, for which the old requests mean nothing. @returns how to stop
 */
export async function followModels(models: Models, capture: Capture): Promise<() => void> {
  const inputs = new Map<string, string>()
  const follow = async ({ name, manifest, ...model }: ModelRecord) => {
    if (model.inputs.length > 0) {
      const now = JSON.stringify(model.inputs)
      const before = inputs.get(name)
      inputs.set(name, now)
      if (before !== undefined && before !== now) await capture.erase(name)
    }
    await capture.configure(name, manifest.capture)
  }
  await Promise.all(models.list().map(follow))
  return models.on(event => {
    if (event.kind === 'changed') void follow(event.model)
    if (event.kind === 'removed' && capture.state(event.name).mode === 'on') void capture.configure(event.name, CaptureSettings.parse({}))
  })
}
