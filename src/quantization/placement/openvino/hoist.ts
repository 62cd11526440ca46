import type { Graph } from '../../../graph/graph.js'
import { isOp, type Node } from '../../../graph/node.js'
import { constantData } from '../../../graph/tensor/tensor.js'
import type { DeviceSpec } from '../../../hardware/device-spec.js'
import { isConstant } from '../scan-units.js'
import type { Shapes } from '../shapes.js'
import { isAgnostic } from './op-classes.js'
import type { Read } from './reads.js'

/** Where the quantizers stand once they have moved up. */
export interface Hoisted {
  /** By the value that the quantizer stands behind: who reads through it. */
  readonly reads: ReadonlyMap<string, readonly Read[]>
  /** Operators that hand quantized data on. */
  readonly moving: ReadonlySet<Node>
}

export interface HoistOptions {
  readonly graph: Graph
  readonly shapes: Shapes
  readonly spec: Pick<DeviceSpec, 'quantizers' | 'unify'>
  readonly reads: readonly Read[]
  readonly refused: ReadonlyMap<Node, string>
}

/**
 * Moves quantizers up through operators that hand them on, from the end of the graph to its start: when every reader of what the operator gives wants it
 * quantized, in at least one way that all of them take, the operator reads the quantized value instead (quantization.md 4.2; NNCF's branching rule). Concat
 * takes its quantizer to all of its inputs where the device unifies them and a product reads the result.
 */
export function hoist(options: HoistOptions): Hoisted {
  const { graph, reads, refused } = options
  const byValue = new Map<string, Read[]>()
  for (const read of reads) byValue.set(read.value, [...(byValue.get(read.value) ?? []), read])
  const moving = new Set<Node>()
  for (const node of [...graph.nodes].reverse()) {
    const sources = refused.has(node) ? undefined : sourcesOf(options, node)
    if (sources === undefined) continue
    const outputs = node.outputs.filter(output => output !== '' && (graph.consumers(output).length > 0 || graph.isOutput(output)))
    const readers = outputs.flatMap(output => byValue.get(output) ?? [])
    const wantedByAll = outputs.every(
      output => !graph.isOutput(output) && graph.consumers(output).length === new Set(byValue.get(output)?.map(read => read.node)).size,
    )
    const configs = perTensor(options, shared(readers))
    if (readers.length === 0 || !wantedByAll || configs.length === 0) continue
    const linear = readers.some(read => read.linear)
    if (sources.length > 1 && !linear) continue
    moving.add(node)
    for (const output of outputs) byValue.delete(output)
    for (const value of sources) byValue.set(value, [...(byValue.get(value) ?? []), { node, value, configs, linear }])
  }
  return { reads: byValue, moving }
}

/** Values whose quantizers do the work of one behind `node`; undefined where none can move up through it. */
function sourcesOf({ graph, shapes, spec }: HoistOptions, node: Node): readonly string[] | undefined {
  const isFloat = (value: string) => shapes.has(value) && !isConstant(graph, value)
  if (isOp(node, 'Concat')) {
    const data = node.inputs.filter(isFloat)
    const others = node.inputs.filter(value => !isFloat(value))
    return spec.unify.includes('Concat') && data.length > 0 && others.every(value => isZero(graph, value)) ? [...new Set(data)] : undefined
  }
  return isAgnostic(graph, node) && isFloat(node.inputs[0]!) ? [node.inputs[0]!] : undefined
}

/** Channels added by a constant of zeros are on every grid. */
function isZero(graph: Graph, value: string): boolean {
  const tensor = graph.constant(value)
  return tensor?.dtype === 'float32' && (constantData(tensor) as Float32Array).every(each => each === 0)
}

/** Configurations that all readers take, in the order of the first one. */
export function shared(reads: readonly Read[]): readonly string[] {
  const [first, ...others] = reads
  return (first?.configs ?? []).filter(name => others.every(({ configs }) => configs.includes(name)))
}

/** Channels do not stay where they are on the way up: one range for the tensor. */
function perTensor({ spec }: HoistOptions, configs: readonly string[]): readonly string[] {
  return configs.filter(name => spec.quantizers[name]!.granularity === 'per-tensor')
}
