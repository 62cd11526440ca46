import { QuantdError } from '../errors.js'
import type { TensorSpec } from '../graph/tensor/spec.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import type { Manifest } from './manifest.js'
import type { OipRequest } from './oip.js'

/** What the tensors of a request are held to: the model's inputs, and the preprocessing and state that its model.json declares. */
export interface InputContext {
  readonly inputs: readonly TensorSpec[]
  readonly manifest: Pick<Manifest, 'inputs' | 'state'>
}

/** And what it may ask for. */
export interface RequestContext extends InputContext {
  readonly outputs: readonly TensorSpec[]
}

export interface WantedOutput {
  readonly name: string
  readonly form: 'json' | 'binary'
}

/** What was sent, before missing state is filled in. */
export interface GivenRequest {
  readonly given: ReadonlyMap<string, Tensor>
  /** What an OIP request says of itself and of the outputs that it asks for. */
  readonly asked?: Pick<OipRequest, 'id' | 'outputs' | 'parameters'>
}

/** The one input that a request without names can mean. @throws ERR_REQUEST_MEDIA when the model takes several */
export function onlyInput({ inputs, manifest }: InputContext, what: string): TensorSpec {
  const states = new Set(Object.values(manifest.state))
  const [only, ...others] = inputs.filter(input => !states.has(input.name))
  if (only !== undefined && others.length === 0) return only
  throw new QuantdError('ERR_REQUEST_MEDIA', `${what} carries one input, the model takes ${others.length + 1}: send OIP JSON or binary`, {
    details: { inputs: inputs.map(input => input.name) },
  })
}
