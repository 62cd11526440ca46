import { QuantdError } from '../errors.js'
import { dtypes } from '../graph/tensor/dtype.js'
import type { TensorSpec } from '../graph/tensor/spec.js'
import { elementCount, type Tensor } from '../graph/tensor/tensor.js'

/**
 * Holds `feeds` to what the session declares: every input there, none besides, dtype, storage and element count right, fixed sizes equal.
 * What an engine would answer with an assertion or a read past the end is refused here instead.
 * @throws ERR_ENGINE_FEED naming the input, expected and found
 */
export function checkFeeds(inputs: readonly TensorSpec[], feeds: Readonly<Record<string, Tensor>>): void {
  for (const spec of inputs) {
    const tensor = Object.hasOwn(feeds, spec.name) ? feeds[spec.name] : undefined
    if (tensor === undefined) {
      throw new QuantdError('ERR_ENGINE_FEED', `input '${spec.name}' is missing`, {
        details: { input: spec.name, given: Object.keys(feeds) },
      })
    }
    checkFeed(spec, tensor)
  }
  for (const name of Object.keys(feeds)) {
    if (!inputs.some(input => input.name === name)) {
      throw new QuantdError(
        'ERR_ENGINE_FEED',
        `input '${name}' is unknown; the model takes ${inputs.map(input => `'${input.name}'`).join(', ')}`,
        {
          details: { input: name },
        },
      )
    }
  }
}

function checkFeed(spec: TensorSpec, { dtype, shape, data }: Tensor): void {
  const refuse = (what: string, expected: unknown, found: unknown): never => {
    throw new QuantdError('ERR_ENGINE_FEED', `input '${spec.name}': ${what}: expected ${expected}, found ${found}`, {
      details: { input: spec.name, expected, found },
    })
  }
  if (dtype !== spec.dtype) refuse('dtype', spec.dtype, dtype)
  const { array } = dtypes[dtype]
  if (!(data instanceof array)) refuse('storage', array.name, data.constructor.name)
  if (elementCount(shape) !== data.length) refuse(`elements of shape [${shape.join()}]`, elementCount(shape), data.length)
  // A session that declares no sizes at all may take any rank: runtimes report a scalar and an unknown rank alike.
  if (spec.shape.length === 0) return
  const fits = shape.length === spec.shape.length && spec.shape.every((size, axis) => typeof size !== 'number' || size === shape[axis])
  if (!fits) refuse('shape', `[${spec.shape.map(size => size ?? '?').join()}]`, `[${shape.join()}]`)
}
