import type { ExecutedNode } from '../../engines/engine.js'
import type { Kernels } from './count-kernels.js'

/**
 * What OpenVINO puts behind the name of a node whose kernel it runs: its own transformations, and the layers of our IR that one ONNX node became (a bias is an
 * addition of its own there).
 */
const suffixes = /^(\/(linear|product|bias|WithoutBiases|Dequantization(Multiply|Subtract))|_original)*$/

/** Precision behind the last underscore of a kernel: `I8` where it reads uint8. */
const precisionOf = ({ execType }: ExecutedNode): string => /_([a-z0-9]+)$/i.exec(execType)?.[1]?.toLowerCase() ?? ''

/** Of these names the node itself is never the operator: what stands before or behind it. */
const conversions = new Set(['Reorder', 'Convert', 'FakeQuantize', 'Const', 'Constant', 'Input', 'Parameter', 'Output', 'Result'])

/** Never part of another node; one that took less than a microsecond counts as not run. */
const products = /Conv|FullyConnected|MatMul/

/**
 * Which operators really ran on integers, from the nodes that an engine ran: of each of `names` (operators as the model names them) that was found, and counted
 * by the engine's own type of node. A name that is in neither set was run inside of another node.
 */
export function executedKernels(executed: readonly ExecutedNode[], names: ReadonlySet<string>): Kernels {
  const counts = new Map<string, number>()
  const integerNames = new Set<string>()
  const floatNames = new Set<string>()
  for (const node of executed) {
    const isSeen = (node.ran || products.test(node.nodeType)) && !conversions.has(node.nodeType)
    const name = isSeen ? ownerOf(node.nodeName, names) : undefined
    if (name === undefined) continue
    const precision = precisionOf(node)
    if (precision === 'i8' || precision === 'u8') {
      integerNames.add(name)
      counts.set(node.nodeType, (counts.get(node.nodeType) ?? 0) + 1)
    } else if (/^b?f\d+$/.test(precision)) floatNames.add(name)
  }
  return { integer: Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))), integerNames, floatNames }
}

/** The longest of `names` that `executed` starts with, where only known suffixes follow. */
function ownerOf(executed: string, names: ReadonlySet<string>): string | undefined {
  if (names.has(executed)) return executed
  for (let end = executed.length - 1; end > 0; end -= 1) {
    if (executed[end] !== '/' && executed[end] !== '_') continue
    const name = executed.slice(0, end)
    if (names.has(name)) return suffixes.test(executed.slice(end)) ? name : undefined
  }
  return undefined
}
