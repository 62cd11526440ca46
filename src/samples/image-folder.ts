import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, extname, join, sep } from 'node:path'
import { errorMessage, QuantdError } from '../errors.js'
import type { Manifest } from './manifest.js'
import type { OpenSamplesOptions } from './npz.js'
import { contentTypes } from './request.js'
import { openRequests, type StoredRequest } from './request-source.js'
import type { Label, SampleSource } from './sample.js'

const types = new Map([
  ['.jpg', contentTypes.jpeg],
  ['.jpeg', contentTypes.jpeg],
  ['.png', contentTypes.png],
])

export interface OpenImagesOptions extends OpenSamplesOptions {
  /** Preprocessing of model.json, and its class names: a sub-folder named like a class labels what is in it. */
  readonly manifest: Pick<Manifest, 'inputs' | 'state' | 'classes'>
}

/**
 * JPEG and PNG files of a folder, in the order of their names. Labels come from `labels.json` (a list in that order, or an object by file name), else from
 * `labels.csv` (file,label), else from sub-folders: the index of the class of that name, or without class names the rank of the folder.
 * @throws ERR_SAMPLES_IMAGES, ERR_SAMPLES_LABEL, ERR_SAMPLES_READ
 */
export async function openImages(folder: string, { inputs, manifest }: OpenImagesOptions): Promise<SampleSource> {
  const all = await readdir(folder, { recursive: true }).catch((error: unknown) => {
    throw new QuantdError('ERR_SAMPLES_READ', `'${folder}': ${errorMessage(error)}`, { cause: error })
  })
  const names = all.filter(name => types.has(extname(name).toLowerCase())).sort()
  if (names.length === 0) throw new QuantdError('ERR_SAMPLES_IMAGES', `'${folder}' holds no .jpg, .jpeg or .png`)
  const labels = (await fileLabels(folder, names)) ?? folderLabels(names, manifest.classes)
  const requests = names.map((name): StoredRequest => {
    const label = labels.get(name)
    const contentType = types.get(extname(name).toLowerCase()) ?? contentTypes.png
    return { id: name, path: join(folder, name), contentType, ...(label === undefined ? {} : { label }) }
  })
  return openRequests(requests, { inputs, manifest })
}

async function fileLabels(folder: string, names: readonly string[]): Promise<Map<string, Label> | undefined> {
  const json = join(folder, 'labels.json')
  const csv = join(folder, 'labels.csv')
  const labels = existsSync(json) ? await jsonLabels(json, names) : existsSync(csv) ? await csvLabels(csv) : undefined
  for (const name of labels?.keys() ?? []) {
    if (!names.includes(name)) throw new QuantdError('ERR_SAMPLES_IMAGES', `'${folder}': a label for '${name}', which is not there`)
  }
  return labels
}

async function jsonLabels(path: string, names: readonly string[]): Promise<Map<string, Label>> {
  let json: unknown
  try {
    json = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw new QuantdError('ERR_SAMPLES_LABEL', `'${path}': ${errorMessage(error)}`, { cause: error })
  }
  if (Array.isArray(json)) {
    if (json.length !== names.length)
      throw new QuantdError('ERR_SAMPLES_LABEL', `'${path}': ${json.length} labels for ${names.length} images`)
    return new Map(names.map((name, i) => [name, parseLabel((json as unknown[])[i], path)]))
  }
  if (typeof json !== 'object' || json === null)
    throw new QuantdError('ERR_SAMPLES_LABEL', `'${path}': expected a list or an object by file name`)
  return new Map(Object.entries(json).map(([name, value]) => [name, parseLabel(value, path)]))
}

function parseLabel(value: unknown, path: string): Label {
  // Boxes may be written as rows in a row.
  const row = Array.isArray(value) ? value.flat() : []
  if (Array.isArray(value) && row.every(item => typeof item === 'number')) return row as number[]
  if (typeof value === 'string' || Number.isSafeInteger(value)) return value as Label
  throw new QuantdError('ERR_SAMPLES_LABEL', `'${path}': ${JSON.stringify(value)} is no class index, row of numbers or text`)
}

/** Lines of file,label; the label is all after the first comma, a class index when it is digits alone. A first line `file,label` is a heading. */
async function csvLabels(path: string): Promise<Map<string, Label>> {
  const text = await readFile(path, 'utf8')
  const rows = text.split(/\r?\n/).filter(line => line.trim() !== '')
  const labels = new Map<string, Label>()
  for (const [index, row] of rows.entries()) {
    const comma = row.indexOf(',')
    if (comma < 1) throw new QuantdError('ERR_SAMPLES_LABEL', `'${path}' line ${index + 1}: expected file,label`)
    const [name, label] = [row.slice(0, comma).trim(), row.slice(comma + 1).trim()]
    if (index === 0 && !types.has(extname(name).toLowerCase())) continue
    labels.set(name, /^\d+$/.test(label) ? Number(label) : label)
  }
  return labels
}

/** Images in the folder itself have no label. */
function folderLabels(names: readonly string[], classes: readonly string[] | undefined): Map<string, Label> {
  const top = (name: string) => (dirname(name) === '.' ? undefined : name.split(sep)[0])
  const folders = [...new Set(names.map(top))].filter(folder => folder !== undefined).sort()
  const known = folders.every(folder => classes?.includes(folder))
  return new Map(
    names.flatMap((name): [string, Label][] => {
      const folder = top(name)
      if (folder === undefined) return []
      return [[name, known && classes !== undefined ? classes.indexOf(folder) : folders.indexOf(folder)]]
    }),
  )
}
