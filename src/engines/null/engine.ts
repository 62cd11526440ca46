import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { errorMessage, QuantdError } from '../../errors.js'
import { dtypes, type NumericDType } from '../../graph/tensor/dtype.js'
import type { TensorSpec } from '../../graph/tensor/spec.js'
import { elementCount, type Tensor } from '../../graph/tensor/tensor.js'
import type { Engine, Session } from '../engine.js'
import { checkFeeds } from '../feeds.js'

const Spec = z.strictObject({
  name: z.string().min(1),
  dtype: z
    .enum(Object.keys(dtypes) as NumericDType[])
    .refine(dtype => dtypes[dtype].array !== undefined, { error: 'a type that has numbers' }),
  shape: z.array(z.union([z.int().min(1), z.string().min(1), z.null()])),
})

/** The artifact of the null engine: a small JSON file. */
export const NullModel = z.strictObject({
  inputs: z.array(Spec),
  outputs: z.array(Spec).min(1),
  fill: z.enum(['zeros', 'sum']).default('zeros').describe('sum: element i of a row is i plus the sum of that row of the first input'),
  latency_ms: z.number().min(0).default(0).describe('waits so long per inference, without computing'),
})
export type NullModel = z.infer<typeof NullModel>

/**
 * Answers without computing: what a benchmark of everything but inference runs, and what tests of serving run.
 * Free sizes of outputs are those of the inputs with the same symbol, else of the first input's batch axis, else 1.
 */
export const nullEngine: Engine = {
  name: 'null',
  serves: () => ({ ok: true }),
  supports: ({ opType }) => ({ ok: false, reason: `${opType}: the null engine runs no operators` }),
  version: () => '1',
  open: async artifact => {
    try {
      const text = typeof artifact === 'string' ? await readFile(artifact, 'utf8') : new TextDecoder().decode(artifact)
      return new NullSession(NullModel.parse(JSON.parse(text)))
    } catch (error) {
      throw new QuantdError('ERR_ENGINE_OPEN', `model of the null engine: ${errorMessage(error)}`, {
        cause: error,
        details: { engine: 'null' },
      })
    }
  },
}

class NullSession implements Session {
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  readonly #model: NullModel
  #closed = false

  constructor(model: NullModel) {
    this.#model = model
    this.inputs = model.inputs.map(tensorSpec)
    this.outputs = model.outputs.map(tensorSpec)
  }

  async infer(feeds: Readonly<Record<string, Tensor>>, wanted?: readonly string[]): Promise<Readonly<Record<string, Tensor>>> {
    if (this.#closed) throw new QuantdError('ERR_ENGINE_CLOSED', 'the session is closed')
    checkFeeds(this.inputs, feeds)
    const { latency_ms: latencyMs, fill } = this.#model
    if (latencyMs > 0) await sleep(latencyMs)
    const sizes = freeSizes(this.inputs, feeds)
    const names = wanted ?? this.outputs.map(output => output.name)
    return Object.fromEntries(
      names.map(name => {
        const spec = this.outputs.find(output => output.name === name)
        if (spec === undefined) throw new QuantdError('ERR_ENGINE_INFER', `output '${name}' is unknown`)
        const free = (size: string | undefined, axis: number) =>
          (size === undefined ? undefined : sizes.get(size)) ?? (axis === 0 ? sizes.get('') : undefined) ?? 1
        const shape = spec.shape.map((size, axis) => (typeof size === 'number' ? size : free(size, axis)))
        const tensor: Tensor = { dtype: spec.dtype, shape, data: new dtypes[spec.dtype].array(elementCount(shape)) }
        if (fill === 'sum') fillSums(tensor, feeds[this.inputs[0]?.name ?? ''])
        return [name, tensor]
      }),
    )
  }

  async close(): Promise<void> {
    this.#closed = true
  }
}

const tensorSpec = ({ name, dtype, shape }: z.infer<typeof Spec>): TensorSpec => ({
  name,
  dtype,
  shape: shape.map(size => size ?? undefined),
})

/** Symbol -> size in this inference; '' is the batch of the first input. */
function freeSizes(inputs: readonly TensorSpec[], feeds: Readonly<Record<string, Tensor>>): Map<string, number> {
  const sizes = new Map<string, number>()
  for (const [index, { name, shape }] of inputs.entries()) {
    for (const [axis, size] of shape.entries()) {
      const found = feeds[name]?.shape[axis]
      if (found === undefined || typeof size === 'number') continue
      if (size !== undefined) sizes.set(size, found)
      if (index === 0 && axis === 0) sizes.set('', found)
    }
  }
  return sizes
}

function fillSums({ shape, data }: Tensor, input: Tensor | undefined): void {
  if (input === undefined) return
  const rows = shape[0] ?? 1
  const perRow = data.length / rows
  const inputPerRow = Math.floor(input.data.length / rows)
  for (let row = 0; row < rows; row += 1) {
    let sum = 0
    for (let i = 0; i < inputPerRow; i += 1) sum += Number(input.data[row * inputPerRow + i]!)
    for (let i = 0; i < perRow; i += 1) {
      const value = sum + i
      data[row * perRow + i] = data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(Math.round(value)) : value
    }
  }
}
