import type { Graph } from '../graph.js'
import { numbersOf } from '../ops/facts.js'
import type { PassContext } from './define-pass.js'

/** The number in a constant of one element that gives no value more axes when it is broadcast (rank 0 or 1), or undefined. */
export function scalarOf(graph: Graph, value: string, context: PassContext): number | undefined {
  const tensor = value === '' ? undefined : context.constant(graph, value)
  if (tensor === undefined || tensor.shape.length > 1 || tensor.shape.some(size => size !== 1)) return undefined
  return numbersOf(tensor, 1)?.[0]
}

/** Equal as far as exporters round constants such as 1/6. */
export function isNear(value: number | undefined, expected: number): boolean {
  return value !== undefined && Math.abs(value - expected) <= Math.abs(expected) * 1e-4
}
