import type { Graph } from '../../../graph/graph.js'
import { isOp, type Node } from '../../../graph/node.js'
import { scanUnits } from '../scan-units.js'
import type { Shapes } from '../shapes.js'
import type { Unit } from '../unit.js'

/** Convolutions and matrix products with constant weights, with the bias behind a MatMul; nothing else folds, since activations stay operators of the graph. */
export function linearUnits(graph: Graph, shapes: Shapes): Map<Node, Unit> {
  const units = new Map<Node, Unit>()
  for (const [node, unit] of scanUnits(graph, shapes)) {
    if (unit.form !== 'linear' || !shapes.has(unit.data[0]!)) continue
    const { clip, ...rest } = unit
    const activation = clip === undefined ? undefined : unit.folded.at(-1)!
    units.set(
      node,
      activation === undefined
        ? { ...rest, givesFloats: true }
        : { ...rest, folded: unit.folded.slice(0, -1), outputs: [activation.inputs[0]!], givesFloats: true },
    )
  }
  for (const node of graph.nodes) {
    const transposed = transposedConvolution(graph, shapes, node)
    if (transposed !== undefined) units.set(node, transposed)
  }
  return units
}

function transposedConvolution(graph: Graph, shapes: Shapes, node: Node): Unit | undefined {
  if (!isOp(node, 'ConvTranspose')) return undefined
  const [data, weight, bias = ''] = node.inputs as [string, string, string?]
  if (!shapes.has(data) || graph.constant(weight)?.dtype !== 'float32') return undefined
  if (bias !== '' && graph.constant(bias)?.dtype !== 'float32') return undefined
  return {
    form: 'linear',
    main: node,
    folded: [],
    data: [data],
    weight,
    outputs: node.outputs,
    givesFloats: true,
    ...(bias === '' ? {} : { bias }),
  }
}
