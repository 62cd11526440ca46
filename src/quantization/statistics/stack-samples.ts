import type { Session } from '../../engines/engine.js'
import { dtypes } from '../../graph/tensor/dtype.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Sample, SampleSource } from '../../samples/sample.js'

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

/** The answers of the single samples of a run that carried `count` of them. */
export function unstack({ dtype, shape, data }: Tensor, count: number): Tensor[] {
  if (count === 1) return [{ dtype, shape, data }]
  const size = data.length / count
  return Array.from({ length: count }, (_, row) => ({
    dtype,
    shape: [1, ...shape.slice(1)],
    data: data.slice(row * size, (row + 1) * size),
  }))
}

export function readSamples(samples: SampleSource, indices: readonly number[]): Promise<Sample[]> {
  return Promise.all(indices.map(index => samples.read(index)))
}

/** One output for each of `samples`, in one run where they stack. */
export async function inferAll(session: Session, samples: readonly Sample[], output: string): Promise<Tensor[]> {
  const stacked = stackSamples(samples)
  if (stacked !== undefined) return unstack((await session.infer(stacked, [output]))[output]!, samples.length)
  const answers: Tensor[] = []
  for (const { inputs } of samples) answers.push((await session.infer(inputs, [output]))[output]!)
  return answers
}
