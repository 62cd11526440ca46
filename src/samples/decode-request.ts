import { assertNever, QuantdError } from '../errors.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import { decodeImage } from './decode-image.js'
import { decodeBinaryOip, decodeJsonOip, wantedOutputs } from './decode-oip.js'
import { decodeRaw } from './decode-raw.js'
import type { EncodedRequest } from './request.js'
import type { GivenRequest, InputContext, RequestContext, WantedOutput } from './request-context.js'
import { zeroState } from './state.js'

export interface DecodedRequest {
  /** Complete: one tensor per input of the model, of its dtype and rank. Views of the request's bytes where these are aligned. */
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly outputs: readonly WantedOutput[]
  readonly id?: string
}

/**
 * The tensors of a request in any of its encodings (mqtt-contract.md 4b). Sizes are checked before memory is taken. A state input that is not sent is
 * fed zeros: the request begins a sequence.
 * @throws ERR_REQUEST_JSON, ERR_REQUEST_HEADER, ERR_REQUEST_INPUTS, ERR_REQUEST_OUTPUTS, ERR_REQUEST_SHAPE, ERR_REQUEST_DTYPE, ERR_REQUEST_MEDIA, ERR_REQUEST_IMAGE
 */
export async function decodeRequest(request: EncodedRequest, context: RequestContext): Promise<DecodedRequest> {
  const { given, asked } = await decodeGiven(request, context)
  const outputs = wantedOutputs(asked ?? {}, context.outputs)
  const inputs = complete(given, context)
  return asked?.id === undefined ? { inputs, outputs } : { inputs, outputs, id: asked.id }
}

/** The tensors alone: what the request asks for is not looked at. @throws as `decodeRequest` */
export async function decodeInputs(request: EncodedRequest, context: InputContext): Promise<Readonly<Record<string, Tensor>>> {
  return complete((await decodeGiven(request, context)).given, context)
}

async function decodeGiven(request: EncodedRequest, context: InputContext): Promise<GivenRequest> {
  switch (request.contentType) {
    case 'application/json':
      return decodeJsonOip(request.body, context)
    case 'application/vnd.oip.v2+octet-stream':
      return decodeBinaryOip(request, context)
    case 'application/octet-stream':
      return { given: decodeRaw(request.body, context) }
    case 'image/jpeg':
    case 'image/png':
      return { given: await decodeImage(request.body, context) }
    default:
      return assertNever(request.contentType)
  }
}

function complete(given: ReadonlyMap<string, Tensor>, { inputs, manifest }: InputContext): Record<string, Tensor> {
  const symbols = new Map<string, number>()
  for (const { name, shape } of inputs) {
    for (const [axis, size] of shape.entries()) {
      const found = given.get(name)?.shape[axis]
      if (typeof size === 'string' && found !== undefined) symbols.set(size, found)
    }
  }
  const states = new Set(Object.values(manifest.state))
  return Object.fromEntries(
    inputs.map(spec => {
      const tensor = given.get(spec.name) ?? (states.has(spec.name) ? zeroState(spec, symbols) : undefined)
      if (tensor === undefined) {
        throw new QuantdError('ERR_REQUEST_INPUTS', `input '${spec.name}' is missing`, {
          details: { missing: spec.name, expected: inputs.map(input => input.name), actual: [...given.keys()] },
        })
      }
      return [spec.name, tensor]
    }),
  )
}
