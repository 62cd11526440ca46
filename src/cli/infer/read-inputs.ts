import { readFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { errorMessage, QuantdError } from '../../errors.js'
import { dtypes, type NumericDType } from '../../graph/tensor/dtype.js'
import type { TensorSpec } from '../../graph/tensor/spec.js'
import { elementCount } from '../../graph/tensor/tensor.js'
import { openArrays } from '../../samples/array-archive.js'
import { encodeRequest } from '../../samples/encode-request.js'
import { openNpz } from '../../samples/npz.js'
import { contentTypes, type EncodedRequest } from '../../samples/request.js'

/** One request of the command line: `name` is the file, and the sample within it. */
export interface NamedRequest {
  readonly name: string
  readonly request: EncodedRequest
}

export interface ReadInputsOptions {
  readonly inputs: readonly TensorSpec[]
  /** Names of the outputs that are asked for. */
  readonly outputs: readonly string[]
  /** 'binary': answers as tensors, for a file; 'json': as numbers to print. */
  readonly form: 'json' | 'binary'
}

/** Types as the file has them, not as the model wants them: preprocessing is the gateway's work. */
async function specsOf(path: string, inputs: readonly TensorSpec[]): Promise<readonly TensorSpec[]> {
  const archive = await openArrays(path)
  try {
    const wanted = inputs.filter(input => archive.arrays.has(input.name) || inputs.length === 1)
    return wanted.map(input => {
      const array = archive.arrays.get(input.name) ?? [...archive.arrays].find(([name]) => name !== 'label')?.[1]
      const element = array?.header.element
      return element === undefined || element.kind === 'text' ? input : { ...input, dtype: element.dtype as NumericDType }
    })
  } finally {
    await archive.close()
  }
}

async function* fromArrays(path: string, options: ReadInputsOptions): AsyncGenerator<NamedRequest> {
  const source = await openNpz(path, { inputs: await specsOf(path, options.inputs) })
  try {
    for (let index = 0; index < source.count; index += 1) {
      const sample = await source.read(index)
      yield { name: source.count === 1 ? basename(path) : sample.id, request: encodeOip(sample.inputs, options) }
    }
  } finally {
    await source.close()
  }
}

const encodeOip = (tensors: Parameters<typeof encodeRequest>[0], { outputs, form }: ReadInputsOptions): EncodedRequest =>
  encodeRequest(tensors, { form: 'oip', outputs: outputs.map(name => ({ name, form })) })

/** Raw bytes of the only input, little-endian, row-major; its shape must be fixed or have one free size. */
function fromRaw(path: string, bytes: Uint8Array, options: ReadInputsOptions): EncodedRequest {
  const { inputs } = options
  const [only, ...others] = inputs
  if (only === undefined || others.length > 0) {
    throw new QuantdError('ERR_CLI_INPUT', `${path}: raw bytes fill one input, the model takes ${inputs.length}: use .npz`, {
      details: { path },
    })
  }
  const array = dtypes[only.dtype].array
  const free = only.shape.filter(size => typeof size !== 'number').length
  const rest = elementCount(only.shape.filter(size => typeof size === 'number'))
  const count = bytes.length / (array?.BYTES_PER_ELEMENT ?? 1)
  const whole = array !== undefined && free <= 1 && Number.isInteger(count / rest) && (free === 1 || count === rest)
  if (!whole) return { contentType: contentTypes.raw, body: bytes }
  const shape = only.shape.map(size => (typeof size === 'number' ? size : count / rest))
  const aligned = new Uint8Array(bytes)
  return encodeOip({ [only.name]: { dtype: only.dtype, shape, data: new array(aligned.buffer as ArrayBuffer) } }, options)
}

const isJpeg = (bytes: Uint8Array): boolean => bytes[0] === 0xff && bytes[1] === 0xd8
const isPng = (bytes: Uint8Array): boolean => bytes[0] === 0x89 && bytes[1] === 0x50 && bytes[2] === 0x4e && bytes[3] === 0x47

/**
 * The requests of a file: an image (by its first bytes) or JSON (an OIP request) is sent as it is; each sample of a .npz or .npy is one request; anything else
 * is the raw bytes of the only input. @throws ERR_CLI_INPUT, ERR_SAMPLES_*
 */
export async function* readInputs(path: string, options: ReadInputsOptions): AsyncGenerator<NamedRequest> {
  const name = basename(path)
  const extension = extname(path).toLowerCase()
  if (extension === '.npz' || extension === '.npy') {
    yield* fromArrays(path, options)
    return
  }
  let body: Uint8Array
  try {
    body = await readFile(path)
  } catch (error) {
    throw new QuantdError('ERR_CLI_INPUT', `${path}: ${errorMessage(error)}`, { details: { path }, cause: error })
  }
  if (isJpeg(body)) yield { name, request: { contentType: contentTypes.jpeg, body } }
  else if (isPng(body)) yield { name, request: { contentType: contentTypes.png, body } }
  else if (extension === '.json') yield { name, request: { contentType: contentTypes.json, body } }
  else yield { name, request: fromRaw(path, body, options) }
}
