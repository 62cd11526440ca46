import type { Graph } from '../../graph/graph.js'
import { isOp, type Node } from '../../graph/node.js'
import { subgraphsOf } from '../../graph/verify.js'

/** Operators of an optimized graph that multiply in integers. */
const integerProducts = new Set([
  'QLinearConv',
  'QLinearMatMul',
  'QGemm',
  'MatMulIntegerToFloat',
  'MatMulInteger',
  'ConvInteger',
  'DynamicQuantizeMatMul',
])
/** Operators that multiply in float, fused or not. */
const floatProducts = new Set([
  'Conv',
  'FusedConv',
  'NhwcFusedConv',
  'Gemm',
  'FusedGemm',
  'MatMul',
  'FusedMatMul',
  'MatMulNBits',
  'ConvTranspose',
])

export interface Kernels {
  /** Operator type -> count, of everything that computes on codes, sorted by name. */
  readonly integer: Readonly<Record<string, number>>
  /** Node names, as the lowered graph had them, of products with an integer kernel. */
  readonly integerNames: ReadonlySet<string>
  readonly floatNames: ReadonlySet<string>
  /** Operators that read codes and compute in float, in one kernel with the quantizer behind them; absent = none. */
  readonly floatInside?: ReadonlySet<string>
}

/** What became integer in the graph that the engine really runs, read from the one it saved. */
export function countKernels(optimized: Graph): Kernels {
  const counts = new Map<string, number>()
  const integerNames = new Set<string>()
  const floatNames = new Set<string>()
  for (const node of nodesOf(optimized)) {
    if (integerProducts.has(node.opType)) integerNames.add(originalName(node))
    if (floatProducts.has(node.opType)) floatNames.add(originalName(node))
    if (integerProducts.has(node.opType) || node.opType.startsWith('QLinear')) counts.set(node.opType, (counts.get(node.opType) ?? 0) + 1)
  }
  return { integer: Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))), integerNames, floatNames }
}

/** Nodes of a graph and of all graphs in it. */
function* nodesOf(graph: Graph): Generator<Node> {
  for (const node of graph.nodes) {
    yield node
    for (const inner of subgraphsOf(node)) yield* nodesOf(inner)
  }
}

/** ONNX Runtime appends to the name of a node that it replaces: `conv_token_3`, `conv_nhwc`, `conv/duplicated`. */
const originalName = ({ name }: Node) => name.replace(/(_token_\d+|_nhwc|_nchwc|\/duplicated)+$/, '')

export const isProduct = (node: Node): boolean => isOp(node, 'Conv', 'Gemm', 'MatMul')
