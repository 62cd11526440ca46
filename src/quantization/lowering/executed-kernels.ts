import type { ExecutedNode } from '../../engines/engine.js'
import type { Kernels } from './count-kernels.js'

/**
 * What OpenVINO puts behind the name of a node whose kernel it runs: its own transformations, and the layers of our IR that one ONNX node became (a bias is an
 * addition of its own there).
 */
const suffixes = /^(\/(linear|product|bias|WithoutBiases|Dequantization(Multiply|Subtract))|_original)*$/

/** Precision behind the last underscore of a kernel: `I8` where it reads uint8. */
const precisionOf = ({ execType }: ExecutedNode): string => /_([a-z0-9]+)$/i.exec(execType)?.[1]?.toLowerCase() ?? ''

const isInteger = (node: ExecutedNode): boolean => ['i8', 'u8'].includes(precisionOf(node))
/** f32 and bf16; FP32 and BF16 up to 2023.0. */
const isFloat = (node: ExecutedNode): boolean => /^b?fp?\d+$/.test(precisionOf(node))

/** Of these names the node itself is never the operator: what stands before or behind it. */
const conversions = new Set(['Reorder', 'Convert', 'FakeQuantize', 'Const', 'Constant', 'Input', 'Parameter', 'Output', 'Result'])

/** Kernels that are made of several operators. */
const joined = new Set(['Subgraph', 'Eltwise'])
const dequantization = /\/Dequantization(Multiply|Subtract)$/

/** Never part of another node; one that took less than a microsecond counts as not run. */
const products = { convolution: /Conv/, matrix: /FullyConnected/, dynamic: /MatMul/ } as const
const productClasses = Object.keys(products) as readonly (keyof typeof products)[]

/** What an operator is to be looked for as; `matrix`: with constant weights, `dynamic`: of two computed values, `other`: neither convolution nor matrix product. */
export type ProductClass = keyof typeof products | 'other'

const classOf = ({ nodeType }: ExecutedNode): ProductClass => productClasses.find(name => products[name].test(nodeType)) ?? 'other'

/**
 * Which operators really ran on integers, from the nodes that an engine ran: of each of `names` (operators as the model names them, all of its products among
 * them) that was found, and counted by the engine's own type of node. Products that the engine gave names of its own (a convolution that took up a
 * normalization; up to 2023 every product with weights) are found by their number where all of them ran in the same way; where some of them ran in float and
 * nothing tells which, every product of the class that was not found counts as float. A name that is in neither set was run inside of another node.
 * @param readers by the name of a quantizer the operator before it: OpenVINO calls the kernel that it makes of both after the quantizer
 */
export function executedKernels(
  executed: readonly ExecutedNode[],
  names: ReadonlyMap<string, ProductClass>,
  readers: ReadonlyMap<string, string> = new Map(),
): Kernels {
  const counts = new Map<string, number>()
  const integerNames = new Set<string>()
  const floatNames = new Set<string>()
  const floatInside = new Set<string>()
  const nameless: { readonly node: ExecutedNode; readonly product: ProductClass }[] = []
  const count = ({ nodeType }: ExecutedNode) => counts.set(nodeType, (counts.get(nodeType) ?? 0) + 1)
  const found = (node: ExecutedNode, name: string) => {
    if (isInteger(node)) {
      integerNames.add(name)
      count(node)
    } else if (isFloat(node)) floatNames.add(name)
  }
  for (const node of executed) {
    const product = classOf(node)
    if (conversions.has(node.nodeType) || (!node.ran && product === 'other')) continue
    const name = ownerOf(node.nodeName, names)
    if (name !== undefined) found(node, name)
    else if (product !== 'other') nameless.push({ node, product })
  }
  for (const node of executed) {
    const name = node.ran && joined.has(node.nodeType) ? readers.get(node.nodeName.replace(dequantization, '')) : undefined
    if (name === undefined || integerNames.has(name) || floatNames.has(name)) continue
    if (isFloat(node)) floatInside.add(name)
    else found(node, name)
  }
  for (const product of productClasses) {
    const unseen = [...names].filter(([name, kind]) => kind === product && !integerNames.has(name) && !floatNames.has(name))
    const nodes = nameless.filter(each => each.product === product).map(({ node }) => node)
    if (nodes.length === unseen.length && (nodes.every(isInteger) || nodes.every(isFloat)))
      unseen.forEach(([name], index) => {
        found(nodes[index]!, name)
      })
    else {
      for (const node of nodes.filter(isInteger)) count(node)
      if (nodes.some(isFloat)) for (const [name] of unseen) floatNames.add(name)
    }
  }
  return { integer: Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))), integerNames, floatNames, floatInside }
}

/** The longest of `names` that `executed` starts with, where only known suffixes follow. */
function ownerOf(executed: string, names: ReadonlyMap<string, unknown>): string | undefined {
  if (names.has(executed)) return executed
  for (let end = executed.length - 1; end > 0; end -= 1) {
    if (executed[end] !== '/' && executed[end] !== '_') continue
    const name = executed.slice(0, end)
    if (names.has(name)) return suffixes.test(executed.slice(end)) ? name : undefined
  }
  return undefined
}
