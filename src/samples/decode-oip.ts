import type { z } from 'zod'
import { nearest } from '../config/nearest.js'
import { errorMessage, QuantdError } from '../errors.js'
import { dtypes, type NumericDType, type TensorData } from '../graph/tensor/dtype.js'
import type { TensorSpec } from '../graph/tensor/spec.js'
import { elementCount, type Tensor } from '../graph/tensor/tensor.js'
import { readJsonValues } from './json-values.js'
import { isFloat, normalise } from './normalise.js'
import { binarySize, dtypeFromOip, type OipInput, OipRequest } from './oip.js'
import type { EncodedRequest } from './request.js'
import type { GivenRequest, InputContext, WantedOutput } from './request-context.js'

/** OIP v2 as JSON alone. */
export function decodeJsonOip(body: Uint8Array, context: InputContext): GivenRequest {
  const request = parseHeader(body)
  return decodeInputs(request, context, input => {
    if (input.data !== undefined) return input.data
    throw new QuantdError('ERR_REQUEST_JSON', `input '${input.name}': no data in it`)
  })
}

/** OIP v2 with a JSON header of `jsonLength` bytes, then the tensors that have a binary_data_size, in the order of the inputs, little-endian. */
export function decodeBinaryOip({ body, jsonLength }: EncodedRequest, context: InputContext): GivenRequest {
  if (jsonLength === undefined || !Number.isInteger(jsonLength) || jsonLength < 2 || jsonLength > body.length) {
    throw new QuantdError(
      'ERR_REQUEST_HEADER',
      `the size of the JSON header is ${jsonLength ?? 'missing'}, the body has ${body.length} bytes`,
      {
        details: { jsonLength, actual: body.length },
      },
    )
  }
  let at = jsonLength
  const given = decodeInputs(parseHeader(body.subarray(0, jsonLength)), context, input => {
    const size = binarySize(input)
    if (size === undefined) {
      if (input.data !== undefined) return input.data
      throw new QuantdError('ERR_REQUEST_HEADER', `input '${input.name}': neither data nor parameters.binary_data_size`)
    }
    if (at + size > body.length) {
      throw new QuantdError('ERR_REQUEST_HEADER', `input '${input.name}': ${size} bytes from byte ${at}, the body has ${body.length}`, {
        details: { expected: at + size, actual: body.length },
      })
    }
    at += size
    return body.subarray(at - size, at)
  })
  if (at !== body.length) {
    throw new QuantdError('ERR_REQUEST_HEADER', `${body.length - at} bytes follow the last input`, {
      details: { expected: at, actual: body.length },
    })
  }
  return given
}

/** Values of one input as they lie in the request: a JSON array or bytes. */
type Values = readonly unknown[] | Uint8Array

function decodeInputs(request: OipRequest, context: InputContext, valuesOf: (input: OipInput) => Values): GivenRequest {
  const given = new Map<string, Tensor>()
  for (const input of request.inputs) {
    const spec = context.inputs.find(candidate => candidate.name === input.name)
    if (spec === undefined) throw unknownName('ERR_REQUEST_INPUTS', 'input', input.name, context.inputs)
    if (given.has(input.name)) throw new QuantdError('ERR_REQUEST_INPUTS', `input '${input.name}' is given twice`)
    given.set(input.name, decodeInput(input, spec, { context, values: valuesOf(input) }))
  }
  return { given, asked: request }
}

function decodeInput(
  { name, shape, datatype }: OipInput,
  spec: TensorSpec,
  { context, values }: { readonly context: InputContext; readonly values: Values },
): Tensor {
  const where = `input '${name}'`
  const dtype = dtypeFromOip(datatype, where)
  const preprocessing = context.manifest.inputs[name]
  const isNormalised = dtype === 'uint8' && isFloat(spec.dtype) && preprocessing !== undefined
  if (dtype !== spec.dtype && !isNormalised) {
    throw new QuantdError('ERR_REQUEST_DTYPE', `${where}: datatype ${datatype}, the model takes ${spec.dtype}`, {
      details: { expected: spec.dtype, actual: dtype },
    })
  }
  checkShape(spec, shape)
  const data = values instanceof Uint8Array ? readBytes(values, { dtype, shape, where }) : readJsonValues(values, { dtype, shape, where })
  if (!isNormalised || !isFloat(spec.dtype)) return { dtype, shape, data }
  return { dtype: spec.dtype, shape, data: normalise(data as Uint8Array, { shape, preprocessing, dtype: spec.dtype }) }
}

/** Rank and fixed sizes are the model's, free sizes at least 1. @throws ERR_REQUEST_SHAPE with expected and actual */
export function checkShape({ name, shape: expected }: TensorSpec, actual: readonly number[]): void {
  const isUnknown = expected.length === 0
  const fits = (size: number | string | undefined, axis: number) => (typeof size === 'number' ? size === actual[axis] : true)
  const hasElements = actual.every(size => size >= 1) && Number.isSafeInteger(elementCount(actual))
  if (hasElements && (isUnknown || (actual.length === expected.length && expected.every(fits)))) return
  const shown = expected.map(size => size ?? '?')
  throw new QuantdError('ERR_REQUEST_SHAPE', `input '${name}': shape [${actual.join()}], the model takes [${shown.join()}]`, {
    details: { input: name, expected: shown, actual },
  })
}

/** Little-endian values: a view when they are aligned, else a copy. @throws ERR_REQUEST_SHAPE, ERR_REQUEST_DTYPE */
export function readBytes(
  bytes: Uint8Array,
  { dtype, shape, where }: { readonly dtype: NumericDType; readonly shape: readonly number[]; readonly where: string },
): TensorData {
  const { array } = dtypes[dtype]
  const expected = elementCount(shape) * array.BYTES_PER_ELEMENT
  if (bytes.length !== expected) {
    throw new QuantdError(
      'ERR_REQUEST_SHAPE',
      `${where}: shape [${shape.join()}] of ${dtype} has ${expected} bytes, found ${bytes.length}`,
      {
        details: { expected, actual: bytes.length },
      },
    )
  }
  if (dtype === 'bool' && bytes.some(value => value > 1)) {
    throw new QuantdError('ERR_REQUEST_DTYPE', `${where}: a boolean is 0 or 1`, { details: { expected: 'bool' } })
  }
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes)
  return new array(aligned.buffer as ArrayBuffer, aligned.byteOffset, bytes.length / array.BYTES_PER_ELEMENT)
}

/** Outputs that a request asks for, in its order; all as JSON when it says nothing. @throws ERR_REQUEST_OUTPUTS */
export function wantedOutputs({ outputs, parameters }: NonNullable<GivenRequest['asked']>, known: readonly TensorSpec[]): WantedOutput[] {
  const all = parameters?.binary_data_output === true ? 'binary' : 'json'
  if (outputs === undefined || outputs.length === 0) return known.map(({ name }) => ({ name, form: all }))
  const seen = new Set<string>()
  return outputs.map(({ name, parameters }) => {
    if (!known.some(output => output.name === name)) throw unknownName('ERR_REQUEST_OUTPUTS', 'output', name, known)
    if (seen.has(name)) throw new QuantdError('ERR_REQUEST_OUTPUTS', `output '${name}' is asked for twice`)
    seen.add(name)
    if (parameters?.classification !== undefined) {
      throw new QuantdError('ERR_REQUEST_OUTPUTS', `output '${name}': parameter classification is not served; ask for the values`)
    }
    const binary = parameters?.binary_data
    return { name, form: binary === undefined ? all : binary === true ? 'binary' : 'json' }
  })
}

function unknownName(
  code: 'ERR_REQUEST_INPUTS' | 'ERR_REQUEST_OUTPUTS',
  what: string,
  name: string,
  specs: readonly TensorSpec[],
): QuantdError {
  const expected = specs.map(spec => spec.name)
  const shown = name.slice(0, 80)
  const close = nearest(shown, expected)
  return new QuantdError(code, `${what} '${shown}' is unknown${close === undefined ? '' : `; did you mean '${close}'?`}`, {
    details: { expected, actual: shown },
  })
}

function parseHeader(bytes: Uint8Array): OipRequest {
  let json: unknown
  try {
    json = JSON.parse(utf8.decode(bytes))
  } catch (error) {
    throw new QuantdError('ERR_REQUEST_JSON', `the request is no JSON: ${errorMessage(error).slice(0, 120)}`, { cause: error })
  }
  const { success, data, error } = OipRequest.safeParse(json)
  if (success) return data
  throw new QuantdError('ERR_REQUEST_JSON', `the request is no OIP v2 inference request: ${describeIssue(error)}`)
}

function describeIssue({ issues: [issue] }: z.ZodError): string {
  return issue === undefined ? 'unknown' : `${issue.path.join('.') || 'body'}: ${issue.message}`
}

const utf8 = new TextDecoder('utf-8', { fatal: true })
