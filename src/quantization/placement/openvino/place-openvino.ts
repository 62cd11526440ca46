import { type Graph, readsOf } from '../../../graph/graph.js'
import { floatAttribute, isOp, type Node } from '../../../graph/node.js'
import type { DeviceSpec } from '../../../hardware/device-spec.js'
import type { ActivationMode, Range } from '../../ranges/affine.js'
import { countMacs } from '../count-macs.js'
import { type GivenQuantizers, givenOfUnits, noGivenQuantizers } from '../given-quantizers.js'
import type { PlacedLayer, Placement, Quantizer } from '../placement.js'
import { plateauOf } from '../plateau-of.js'
import { isConstant, scalarOf } from '../scan-units.js'
import type { Shapes } from '../shapes.js'
import type { Unit } from '../unit.js'
import { type Hoisted, hoist, shared } from './hoist.js'
import { ignoredPatterns } from './ignored-patterns.js'
import { linearUnits } from './linear-units.js'
import { isActivation, isAgnostic, opClass } from './op-classes.js'
import { quantizableForm, wantedReads } from './reads.js'
import { unifiedGroups } from './unified-groups.js'

export interface PlaceOpenvinoOptions {
  readonly graph: Graph
  readonly shapes: Shapes
  /** Nodes that stay float, by name, and why. */
  readonly keepFloat: ReadonlyMap<string, string>
  readonly spec: Pick<DeviceSpec, 'ops' | 'quantizers' | 'unify'>
  /** Quantizers that the model brought along; absent = none. */
  readonly given?: GivenQuantizers
}

/** Codes of 0..1 in 256 steps: what Softmax and Sigmoid give (quantization.md 6.2). */
const unitInterval = { scale: 1 / 256, zeroPoint: 0 }

/**
 * Placement for OpenVINO: FakeQuantize on the inputs of operators that compute on codes, moved up through those that hand codes on, one for all readers that
 * take the same. Every quantizer is `entering`: readers that are no units go on reading the float value. What convolutions and products give has no quantizer
 * of its own: bias, activation and residual sum stay whole behind them, where the low-precision transformations fuse them (quantization.md 4.2, 5).
 */
export function placeOpenvino({ graph, shapes, keepFloat, spec, given = noGivenQuantizers }: PlaceOpenvinoOptions): Placement {
  const linear = linearUnits(graph, shapes)
  const refused = ignoredPatterns(graph)
  for (const node of graph.nodes) {
    const reason = keepFloat.get(node.name)
    if (reason !== undefined) refused.set(node, reason)
  }
  const reads = wantedReads({ graph, shapes, ops: spec.ops, linear, refused, given })
  const hoisted = hoist({ graph, shapes, spec, reads, refused })
  const units = placedUnits({ graph, shapes, spec, linear, hoisted })
  const quantizers = placeQuantizers({ graph, shapes, spec, units, hoisted, given })
  return { units, quantizers, layers: placedLayers({ graph, shapes, spec, linear, units, refused }) }
}

interface UnitFields {
  readonly graph: Graph
  readonly shapes: Shapes
  readonly spec: PlaceOpenvinoOptions['spec']
  readonly linear: ReadonlyMap<Node, Unit>
  readonly hoisted: Hoisted
}

function placedUnits({ graph, shapes, spec, linear, hoisted }: UnitFields): Map<Node, Unit> {
  const data = new Map<Node, Set<string>>()
  for (const list of hoisted.reads.values()) {
    for (const { node, value } of list) data.set(node, (data.get(node) ?? new Set()).add(value))
  }
  // What moved up is read under its own name.
  for (const node of graph.nodes) {
    if (!hoisted.moving.has(node)) continue
    for (const output of node.outputs) {
      for (const reader of graph.consumers(output)) data.set(reader, (data.get(reader) ?? new Set()).add(output))
    }
  }
  const units = new Map<Node, Unit>()
  for (const node of graph.nodes) {
    const values = data.get(node)
    if (values === undefined) continue
    const fixed = linear.get(node)
    if (fixed !== undefined) {
      units.set(node, fixed)
      continue
    }
    const form = hoisted.moving.has(node)
      ? isOp(node, 'Concat')
        ? 'concat'
        : 'move'
      : quantizableForm({ graph, shapes, ops: spec.ops, linear }, node)!
    units.set(node, {
      form,
      main: node,
      folded: [],
      data: node.inputs.filter(value => values.has(value)),
      outputs: node.outputs.filter(output => output !== ''),
      ...(hoisted.moving.has(node) ? {} : { givesFloats: true }),
    })
  }
  return units
}

interface QuantizerFields {
  readonly graph: Graph
  readonly shapes: Shapes
  readonly spec: PlaceOpenvinoOptions['spec']
  readonly units: ReadonlyMap<Node, Unit>
  readonly hoisted: Hoisted
  readonly given: GivenQuantizers
}

/** In graph order, so that what a moving operator hands on follows what it reads. */
function placeQuantizers({ graph, shapes, spec, units, hoisted, given }: QuantizerFields): Map<string, Quantizer> {
  const brought = givenOfUnits(units, given)
  const groups = unifiedGroups({ graph, units, spec, values: new Set(hoisted.reads.keys()) })
  const quantizers = new Map<string, Quantizer>()
  const entering = (value: string): void => {
    const list = hoisted.reads.get(value)
    if (list === undefined) return
    const group = groups.get(value)
    const names = groupConfigs(hoisted, spec, group ?? [value])
    const configs = names.map(name => spec.quantizers[name]!)
    const channels = group === undefined && configs[0]!.granularity === 'per-channel'
    const modes = configs.filter(({ granularity }) => (granularity === 'per-channel') === channels).map(({ mode }) => mode)
    const producer = graph.producer(value)
    const learnt = brought.get(value)
    if (learnt !== undefined) {
      quantizers.set(value, { value, root: value, at: 'entering', signed: false, fixed: learnt, given: true })
      return
    }
    quantizers.set(value, {
      value,
      root: value,
      at: 'entering',
      signed: false,
      modes: [...new Set<ActivationMode>(modes)],
      ...(group === undefined ? {} : { group }),
      ...(channels ? { axis: 1 } : {}),
      ...(group === undefined && !channels && isOp(producer, 'Softmax', 'Sigmoid') ? { fixed: unitInterval } : {}),
      ...clipOf(graph, producer),
      ...plateauOf(producer),
    })
  }
  for (const { name } of graph.inputs) entering(name)
  for (const node of graph.nodes) {
    const unit = units.get(node)
    for (const output of node.outputs) {
      if (unit !== undefined && hoisted.moving.has(node) && shapes.has(output)) {
        quantizers.set(output, { ...quantizers.get(unit.data[0]!)!, value: output, at: 'produced' })
      } else entering(output)
    }
  }
  return quantizers
}

/** What all readers of all values of a group take, per tensor where there are several: `DeviceSpec` sees to it that something is left. */
function groupConfigs({ reads }: Hoisted, { quantizers }: QuantizerFields['spec'], group: readonly string[]): readonly string[] {
  const names = shared(group.flatMap(value => reads.get(value) ?? []))
  return group.length === 1 ? names : names.filter(name => quantizers[name]!.granularity === 'per-tensor')
}

/** Ends beyond which a value never lies, as the operator that gives it says. */
function clipOf(graph: Graph, producer: Node | undefined): { readonly clip?: Range } {
  if (producer === undefined) return {}
  if (isOp(producer, 'Relu')) return { clip: { low: 0, high: Number.POSITIVE_INFINITY } }
  if (!isOp(producer, 'Clip')) return {}
  const limit = (index: number, name: string, otherwise: number) =>
    (producer.inputs[index] ?? '') === ''
      ? floatAttribute(producer, name, otherwise)
      : (scalarOf(graph, producer.inputs[index]!) ?? otherwise)
  const clip = { low: limit(1, 'min', Number.NEGATIVE_INFINITY), high: limit(2, 'max', Number.POSITIVE_INFINITY) }
  return clip.low <= 0 && clip.high > 0 ? { clip } : {}
}

interface LayerFields extends Omit<UnitFields, 'hoisted'> {
  readonly units: ReadonlyMap<Node, Unit>
  readonly refused: ReadonlyMap<Node, string>
}

/** Every operator on floats and its fate; arithmetic on shapes is none of ours. */
function placedLayers({ graph, shapes, spec, linear, units, refused }: LayerFields): PlacedLayer[] {
  const removed = new Set([...units.values()].flatMap(({ folded }) => folded))
  const behind = new Set<string>([...units.values()].flatMap(({ outputs }) => outputs))
  return graph.nodes
    .filter(node => node.outputs.some(output => shapes.has(output)) || readsOf(node).some(value => shapes.has(value)))
    .filter(node => !isOp(node, 'Shape', 'Size'))
    .map(node => {
      const macs = countMacs(graph, shapes, node)
      const unit = units.get(node)
      if (removed.has(node)) return { node, state: 'removed', macs }
      if (unit !== undefined) return { node, state: unit.form === 'move' || unit.form === 'concat' ? 'codes' : 'int8', macs }
      return { node, state: 'float', reason: refused.get(node) ?? floatReason({ graph, spec, linear }, node, behind), macs }
    })
}

function floatReason(
  { graph, spec, linear }: Pick<LayerFields, 'graph' | 'spec' | 'linear'>,
  node: Node,
  behind: ReadonlySet<string>,
): string {
  const name = opClass(graph, node)
  if (isActivation(node)) {
    return node.inputs.some(input => behind.has(input))
      ? 'computed in float inside the operator before it'
      : 'functions of one element are float here'
  }
  if (isAgnostic(graph, node) || isOp(node, 'Concat')) return 'not all readers of what it hands on take it quantized'
  if (isOp(node, 'GRU', 'LSTM', 'RNN'))
    return `the device takes no int8 ${node.opType}: OpenVINO refuses or slows quantized recurrent layers`
  const isProduct = isOp(node, 'Conv', 'ConvTranspose', 'Gemm', 'MatMul')
  if (isProduct && !linear.has(node) && !node.inputs.slice(0, 2).some(input => isConstant(graph, input))) {
    return spec.ops[name] === undefined ? `the device takes no int8 ${name}` : 'its weights are computed, not constant'
  }
  if (spec.ops[name] === undefined) return `the device takes no int8 ${name}`
  return node.inputs.some(input => isConstant(graph, input))
    ? 'its other operand is constant: part of the chain that it stands in'
    : `${name} of these inputs is float`
}
