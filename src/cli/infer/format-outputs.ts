import type { Tensor } from '../../graph/tensor/tensor.js'

export interface FormatOptions {
  readonly classes: readonly string[] | undefined
  /** Classes shown of an output that is one row of scores. */
  readonly top: number
}

const shown = (value: number | bigint): string =>
  typeof value === 'bigint' ? String(value) : Number.isInteger(value) ? String(value) : value.toPrecision(5)

/** [1, ..., 1, n] with n > 1: one row of scores, as a classifier gives. */
const isScores = ({ shape, data }: Tensor): boolean =>
  data.length > 1 && data.length <= 100_000 && shape.slice(0, -1).every(size => size === 1)

function topClasses({ data }: Tensor, { classes, top }: FormatOptions): readonly string[] {
  const order = [...(data as Iterable<number | bigint>)]
    .map((value, index) => ({ value: Number(value), index }))
    .sort((a, b) => b.value - a.value || a.index - b.index)
  return order.slice(0, top).map(({ value, index }) => `  ${shown(value).padStart(10)}  ${classes?.[index] ?? `class ${index}`}`)
}

/** Each output with its type and shape; the best classes of a row of scores, else the first values. */
export function formatOutputs(outputs: Readonly<Record<string, Tensor>>, options: FormatOptions): string {
  return Object.entries(outputs)
    .flatMap(([name, tensor]) => {
      const title = `${name} ${tensor.dtype}[${tensor.shape.join()}]`
      if (isScores(tensor)) return [title, ...topClasses(tensor, options)]
      const first = [...(tensor.data.slice(0, 8) as Iterable<number | bigint>)].map(shown).join(', ')
      return [`${title}  ${first}${tensor.data.length > 8 ? ', …' : ''}`]
    })
    .map(line => `  ${line}\n`)
    .join('')
}
