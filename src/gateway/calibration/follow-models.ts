import { CaptureSettings } from '../../samples/manifest.js'
import type { Models } from '../models/model.js'
import type { Capture } from './capture.js'

/** Keeps capture configured as the manifests say: now, after every change of a model, and off for one that was unloaded. @returns how to stop */
export async function followModels(models: Models, capture: Capture): Promise<() => void> {
  await Promise.all(models.list().map(({ name, manifest }) => capture.configure(name, manifest.capture)))
  return models.on(event => {
    if (event.kind === 'changed') void capture.configure(event.model.name, event.model.manifest.capture)
    if (event.kind === 'removed' && capture.state(event.name).mode === 'on') void capture.configure(event.name, CaptureSettings.parse({}))
  })
}
