import { QuantdError } from '../../errors.js'
import type { EncodedResponse } from '../../samples/request.js'

interface OutputFacts {
  readonly name: string
  readonly shape: readonly number[]
  /** Numbers that are not finite; undefined where the answer does not show its numbers as JSON. */
  readonly broken: number | undefined
}

/**
 * A new version against the one that answers, on the same request: same outputs, same shapes, and no numbers that are not finite where those were.
 * Only the head of a binary answer is read: the daemon does no tensor work.
 * @throws ERR_MODEL_ANSWER
 */
export function checkAnswer(wanted: EncodedResponse, found: EncodedResponse): void {
  const [reference, candidate] = [factsOf(wanted), factsOf(found)]
  const names = (facts: readonly OutputFacts[]) => facts.map(({ name }) => name).join(', ')
  if (names(reference) !== names(candidate)) {
    throw new QuantdError('ERR_MODEL_ANSWER', `outputs are ${names(candidate)}, expected ${names(reference)}`)
  }
  for (const [index, { name, shape, broken }] of candidate.entries()) {
    const expected = reference[index]!
    if (shape.join() !== expected.shape.join()) {
      throw new QuantdError('ERR_MODEL_ANSWER', `output '${name}' has shape [${shape.join()}], expected [${expected.shape.join()}]`)
    }
    if (broken !== undefined && broken > (expected.broken ?? 0)) {
      throw new QuantdError(
        'ERR_MODEL_ANSWER',
        `output '${name}' has ${broken} numbers that are not finite, expected ${expected.broken ?? 0}`,
      )
    }
  }
}

function factsOf({ body, jsonLength }: EncodedResponse): readonly OutputFacts[] {
  const json = Buffer.from(body.buffer, body.byteOffset, jsonLength ?? body.byteLength).toString('utf8')
  // Our own worker's answer, in the form of the Open Inference Protocol.
  const { outputs } = JSON.parse(json) as { outputs: readonly { name: string; shape: readonly number[]; data?: readonly unknown[] }[] }
  return outputs.map(({ name, shape, data }) => ({
    name,
    shape,
    broken: data?.flat(8).filter(value => (typeof value === 'number' ? !Number.isFinite(value) : value === null || value === 'NaN')).length,
  }))
}
