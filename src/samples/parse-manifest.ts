import type { z } from 'zod'
import { nearest } from '../config/nearest.js'
import { errorMessage, QuantdError } from '../errors.js'
import { CaptureSettings, ImagePreprocessing, Manifest, RawPreprocessing } from './manifest.js'

/** model.json as a checked, frozen manifest. @throws ERR_BUNDLE_MANIFEST naming the key, and for an unknown one the nearest that is known */
export function parseManifest(text: string): Manifest {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new QuantdError('ERR_BUNDLE_MANIFEST', `model.json: ${errorMessage(error)}`, { cause: error })
  }
  const { success, data, error } = Manifest.safeParse(json)
  if (success) return Object.freeze(data)
  const problems = error.issues.map(describe)
  throw new QuantdError('ERR_BUNDLE_MANIFEST', `model.json: ${problems.join('; ')}`, { details: { problems } })
}

function describe(issue: z.core.$ZodIssue): string {
  const place = issue.path.map(String).join('.')
  if (issue.code !== 'unrecognized_keys') return `${place || 'the document'}: ${issue.message}`
  return issue.keys
    .map(key => {
      const close = nearest(key, keysAt(issue.path))
      return `unknown key '${place === '' ? key : `${place}.${key}`}'${close === undefined ? '' : `; did you mean '${close}'?`}`
    })
    .join('; ')
}

function keysAt([section]: readonly PropertyKey[]): string[] {
  if (section === 'capture') return Object.keys(CaptureSettings.shape)
  if (section === 'inputs') return [...new Set([ImagePreprocessing, RawPreprocessing].flatMap(schema => Object.keys(schema.shape)))]
  return Object.keys(Manifest.shape)
}
