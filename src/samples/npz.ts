import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { QuantdError } from '../errors.js'
import type { TensorSpec } from '../graph/tensor/spec.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import { type ArrayArchive, openArrays } from './array-archive.js'
import { type ArrayFile, numbersOf } from './array-file.js'
import { convert } from './convert.js'
import { readLabel } from './label-array.js'
import type { Manifest } from './manifest.js'
import type { Sample, SampleSource } from './sample.js'
import { zeroState } from './state.js'

export interface OpenSamplesOptions {
  /** What the model takes: names, types and shapes that the arrays are held to. */
  readonly inputs: readonly TensorSpec[]
  /** Preprocessing and state of model.json; absent = none. */
  readonly manifest?: Pick<Manifest, 'inputs' | 'state'>
  /** Where compressed arrays are inflated; default: the folder for temporary files. */
  readonly scratch?: string
}

/** How one input gets its tensor of each sample. */
interface Feed {
  readonly spec: TensorSpec
  readonly array: ArrayFile
  /** Of one sample as it is fed. */
  readonly shape: readonly number[]
  /** Rank-0 arrays are read once and fed to all. */
  readonly constant?: Tensor
}

/**
 * Samples of a NumPy `.npz` (or a `.npy`, for a model with one input): one array per input, named like it, first axis = samples, and optionally `label`.
 * An array of the input's own rank is fed as [1, ...] slices; one rank more is fed as its slices; a rank-0 array is the same for all samples.
 * With one input and one array besides the labels, the name does not matter. A state input without an array is fed zeros.
 * @throws ERR_SAMPLES_FORMAT, ERR_SAMPLES_INPUTS, ERR_SAMPLES_SHAPE, ERR_SAMPLES_DTYPE, ERR_SAMPLES_LABEL, ERR_SAMPLES_READ
 */
export async function openNpz(path: string, { inputs, manifest, scratch }: OpenSamplesOptions): Promise<SampleSource> {
  const archive = await openArrays(path, scratch === undefined ? {} : { scratch })
  try {
    const label = inputs.some(input => input.name === 'label') ? undefined : archive.arrays.get('label')
    const feeds = await matchArrays({ path, archive, label, inputs, manifest })
    const count = sampleCount(path, feeds, label)
    const states = inputs.filter(input => !feeds.some(feed => feed.spec === input)).map(input => [input.name, zeroState(input)] as const)
    const hash = await hashArrays({ feeds, label, states: states.map(([name]) => name), preprocessing: manifest?.inputs })
    const source = new NpzSource({ path, archive, feeds, states, label, count, hash, manifest })
    await source.check()
    return source
  } catch (error) {
    await archive.close()
    throw error
  }
}

interface NpzSourceFields {
  readonly path: string
  readonly archive: ArrayArchive
  readonly feeds: readonly Feed[]
  readonly states: readonly (readonly [string, Tensor])[]
  readonly label: ArrayFile | undefined
  readonly count: number
  readonly hash: string
  readonly manifest: OpenSamplesOptions['manifest']
}

class NpzSource implements SampleSource {
  readonly count: number
  readonly labelled: boolean
  readonly hash: string
  readonly #fields: NpzSourceFields

  constructor(fields: NpzSourceFields) {
    this.#fields = fields
    this.count = fields.count
    this.hash = fields.hash
    this.labelled = fields.label !== undefined
  }

  /** Reads the first sample: what does not convert is found when the file is opened, not in the middle of a job. */
  async check(): Promise<void> {
    if (this.count > 0) await this.read(0)
  }

  async read(index: number): Promise<Sample> {
    const { path, feeds, states, label, manifest } = this.#fields
    if (!Number.isInteger(index) || index < 0 || index >= this.count) {
      throw new QuantdError('ERR_SAMPLES_READ', `'${path}': no sample ${index}; there are ${this.count}`, {
        details: { index, count: this.count },
      })
    }
    const inputs: Record<string, Tensor> = Object.fromEntries(states)
    for (const feed of feeds) inputs[feed.spec.name] = feed.constant ?? (await readTensor(feed, index, manifest))
    const id = `${basename(path)}#${index}`
    return label === undefined ? { id, inputs } : { id, inputs, label: await readLabel(label, index) }
  }

  close(): Promise<void> {
    return this.#fields.archive.close()
  }
}

async function readTensor({ spec, array, shape }: Feed, index: number, manifest: OpenSamplesOptions['manifest']): Promise<Tensor> {
  const { element } = array.header
  if (element.kind === 'text')
    throw new QuantdError('ERR_SAMPLES_DTYPE', `${array.where}: text for input '${spec.name}' of type ${spec.dtype}`)
  const values = numbersOf(await array.readRows(index, 1), element.dtype)
  const where = `${array.where} sample ${index}`
  const data = convert(values, { from: element.dtype, to: spec.dtype, shape, preprocessing: manifest?.inputs[spec.name], where })
  return { dtype: spec.dtype, shape, data }
}

interface Match {
  readonly path: string
  readonly archive: ArrayArchive
  readonly label: ArrayFile | undefined
  readonly inputs: readonly TensorSpec[]
  readonly manifest: OpenSamplesOptions['manifest']
}

async function matchArrays({ path, archive, label, inputs, manifest }: Match): Promise<Feed[]> {
  const stateInputs = new Set(Object.values(manifest?.state ?? {}))
  const rest = new Map([...archive.arrays].filter(([, array]) => array !== label))
  const wanted = inputs.filter(input => !stateInputs.has(input.name))
  const [only] = wanted
  const [single] = rest.keys()
  if (wanted.length === 1 && only !== undefined && rest.size === 1 && single !== undefined && !inputs.some(input => rest.has(input.name))) {
    rest.set(only.name, rest.get(single)!)
    rest.delete(single)
  }
  const feeds: Feed[] = []
  for (const spec of inputs) {
    const array = rest.get(spec.name)
    if (array !== undefined) feeds.push(await feedOf(spec, array, manifest))
    else if (!stateInputs.has(spec.name)) refuseInputs(path, `no array for input '${spec.name}'`, inputs, archive)
    rest.delete(spec.name)
  }
  for (const name of rest.keys()) refuseInputs(path, `array '${name}' is no input of the model`, inputs, archive)
  return feeds
}

function refuseInputs(path: string, what: string, inputs: readonly TensorSpec[], archive: ArrayArchive): never {
  const expected = inputs.map(input => input.name)
  const found = [...archive.arrays.keys()]
  throw new QuantdError('ERR_SAMPLES_INPUTS', `'${path}': ${what}; expected ${expected.map(quote)}, found ${found.map(quote)}`, {
    details: { expected, found },
  })
}

const quote = (name: string) => `'${name}'`

/** Decides by rank how slices become tensors, and holds their sizes to the fixed sizes of the input. */
async function feedOf(spec: TensorSpec, array: ArrayFile, manifest: OpenSamplesOptions['manifest']): Promise<Feed> {
  const rank = array.header.shape.length
  if (rank === 0) {
    const shape = spec.shape.map(() => 1)
    checkSizes(spec, array, shape)
    return { spec, array, shape, constant: await readTensor({ spec, array, shape }, 0, manifest) }
  }
  const slice = array.header.shape.slice(1)
  const ranks = spec.shape.length
  // Engines report a scalar and an unknown rank alike: rank 0 takes scalars and, for want of better knowledge, slices with a batch axis.
  if (rank !== ranks + 1 && rank !== ranks && ranks !== 0) {
    throw new QuantdError(
      'ERR_SAMPLES_SHAPE',
      `${array.where}: shape [${array.header.shape.join()}] for input '${spec.name}' of rank ${ranks}; expected rank ${ranks} or ${ranks + 1}, first axis = samples`,
      { details: { expected: spec.shape, actual: array.header.shape } },
    )
  }
  const shape = rank === ranks + 1 ? slice : [1, ...slice]
  checkSizes(spec, array, shape)
  return { spec, array, shape }
}

function checkSizes(spec: TensorSpec, array: ArrayFile, shape: readonly number[]): void {
  if (spec.shape.length === 0) return
  if (spec.shape.every((size, axis) => typeof size !== 'number' || size === shape[axis])) return
  throw new QuantdError(
    'ERR_SAMPLES_SHAPE',
    `${array.where}: one sample has shape [${shape.join()}], input '${spec.name}' takes [${spec.shape.map(size => size ?? '?').join()}]`,
    { details: { expected: spec.shape, actual: shape } },
  )
}

function sampleCount(path: string, feeds: readonly Feed[], label: ArrayFile | undefined): number {
  const counted = feeds.filter(feed => feed.constant === undefined)
  const [first] = counted
  if (first === undefined)
    throw new QuantdError('ERR_SAMPLES_INPUTS', `'${path}': every array is a constant; none says how many samples there are`)
  for (const { array } of counted) {
    if (array.rows === first.array.rows) continue
    throw new QuantdError('ERR_SAMPLES_SHAPE', `${array.where}: ${array.rows} samples, '${first.spec.name}' has ${first.array.rows}`)
  }
  if (label !== undefined && (label.header.shape.length === 0 || label.rows !== first.array.rows)) {
    throw new QuantdError('ERR_SAMPLES_LABEL', `${label.where}: shape [${label.header.shape.join()}] for ${first.array.rows} samples`)
  }
  return first.array.rows
}

interface HashParts {
  readonly feeds: readonly Feed[]
  readonly label: ArrayFile | undefined
  readonly states: readonly string[]
  readonly preprocessing: Manifest['inputs'] | undefined
}

/** Over names, types, shapes, values and preprocessing: equal for a stored and a compressed file with the same arrays. */
async function hashArrays({ feeds, label, states, preprocessing = {} }: HashParts): Promise<string> {
  const hash = createHash('sha256')
  const parts: [string, ArrayFile][] = feeds.map(({ spec, array }) => [`${spec.name}:${spec.dtype}`, array])
  if (label !== undefined) parts.push(['label', label])
  for (const [name, array] of parts.sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(JSON.stringify([name, array.header.element, array.header.shape]))
    for await (const chunk of array.chunks()) hash.update(chunk)
  }
  const known = Object.entries(preprocessing).filter(([name]) => feeds.some(feed => feed.spec.name === name))
  return hash.update(JSON.stringify([[...states].sort(), known.sort(([a], [b]) => (a < b ? -1 : 1))])).digest('hex')
}
