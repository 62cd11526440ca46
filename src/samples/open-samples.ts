import { stat } from 'node:fs/promises'
import { errorMessage, QuantdError } from '../errors.js'
import { type OpenImagesOptions, openImages } from './image-folder.js'
import { openNpz } from './npz.js'
import type { SampleSource } from './sample.js'

/** What a path of samples means: a folder is images, a file is `.npz` or `.npy`. @throws ERR_SAMPLES_* */
export async function openSamples(path: string, options: OpenImagesOptions): Promise<SampleSource> {
  const status = await stat(path).catch((error: unknown) => {
    throw new QuantdError('ERR_SAMPLES_READ', `'${path}': ${errorMessage(error)}`, { cause: error })
  })
  return status.isDirectory() ? openImages(path, options) : openNpz(path, options)
}
