import { dtypes } from '../../graph/tensor/dtype.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Sample } from '../../samples/sample.js'

type Feed = Readonly<Record<string, Tensor>>

/**
 * The inputs of several samples as one feed, stacked along axis 0; undefined where they do not stack: other shapes, no leading axis of size 1.
 */
export function stackSamples(samples: readonly Sample[]): Feed | undefined {
  const [first, ...others] = samples
  if (first === undefined) return undefined
  if (others.length === 0) return first.inputs
  const stacked: Record<string, Tensor> = {}
  for (const [name, { dtype, shape, data }] of Object.entries(first.inputs)) {
    const parts = others.map(({ inputs }) => inputs[name])
    if (shape[0] !== 1 || parts.some(part => part === undefined || part.shape.join() !== shape.join())) return undefined
    const all = new dtypes[dtype].array(data.length * samples.length)
    all.set(data as never, 0)
    parts.forEach((part, index) => {
      all.set(part!.data as never, (index + 1) * data.length)
    })
    stacked[name] = { dtype, shape: [samples.length, ...shape.slice(1)], data: all }
  }
  return stacked
}
