import { type Graph, readsOf } from '../../graph/graph.js'
import { isOp, type Node } from '../../graph/node.js'
import { elementCount } from '../../graph/tensor/tensor.js'
import { floatByCost } from './cheapest-units.js'
import { countMacs } from './count-macs.js'
import { findAnsweringLayers } from './find-answering-layers.js'
import { findDetectionHead } from './find-detection-head.js'
import { findSqueezeExcite } from './find-squeeze-excite.js'
import { type GivenQuantizers, givenBehindMoves, givenOfUnits, noGivenQuantizers } from './given-quantizers.js'
import type { MeasuredCosts } from './measured-costs.js'
import type { PlacedLayer, Placement, Quantizer } from './placement.js'
import { plateauOf } from './plateau-of.js'
import { isConstant, scanUnits } from './scan-units.js'
import type { Shapes } from './shapes.js'
import type { Unit } from './unit.js'

export interface PlaceOptions {
  readonly graph: Graph
  readonly shapes: Shapes
  /** Nodes that stay float, by name, and why. */
  readonly keepFloat: ReadonlyMap<string, string>
  /** Operators that the device takes in int8; those that only move codes need not be listed. */
  readonly ops: ReadonlySet<string>
  /** `half`: a full-range int8 operand beside uint8 would saturate, so computed matrices are all uint8. */
  readonly weightRange: 'full' | 'half'
  /** Quantizers that the model brought along; absent = none. */
  readonly given?: GivenQuantizers
  /** Measured times; absent = the built-in rules alone. */
  readonly costs?: MeasuredCosts
}

/** Codes of 0..1 in 256 steps: what Softmax and Sigmoid give (quantization.md 6.2). */
const unitInterval = { scale: 1 / 256, zeroPoint: 0 }

/** A gate may be quantized where it enters an integer product when it is at most this share of it. */
const smallShare = 1 / 4

/**
 * Placement for ONNX Runtime: a quantizer behind every convolution and matrix product, folded activations deleted, and what lies between integer
 * operators carried along as codes. An operator becomes integer when its data arrives as codes and its result is wanted as codes: in a float region
 * elementwise operators stay float (ort-fusion.md d). With measured costs, what is faster in float stays float.
 */
export function place(asked: PlaceOptions): Placement {
  const { graph, shapes, costs } = asked
  const units = scanUnits(graph, shapes, asked.given)
  const options = asked.given === undefined ? asked : { ...asked, given: givenBehindMoves(units, asked.given) }
  const refused = refusals(options, units)
  const placement = placed(options, { units, refused })
  if (costs === undefined) return placement
  const whole = costs.wholeOf(units.values())
  if (whole?.fastest === 'int8') return placement
  const without = (slower: ReadonlyMap<Node, string>): Placement => {
    const faster = new Set([...placement.units.keys()].filter(node => !slower.has(node)))
    return slower.size === 0 ? placement : placed(options, { units, refused: new Map([...refused, ...slower]), faster })
  }
  if (whole?.fastest === 'float') return without(new Map([...placement.units.keys()].map(node => [node, whole.reason])))
  const cheapest = (favour: number) =>
    without(new Map(floatByCost({ graph, placement, costs, favour }).map(({ unit, reason }) => [unit.main, reason])))
  return cheapestCovering(cheapest, costs.floorOf(placement.layers)) ?? placement
}

/** Powers of two that products are favoured by, in microseconds for a million multiply-adds, and how finely the least is looked for. */
const favours = { least: 2 ** -6, most: 2 ** 12, steps: 6 } as const

/**
 * The fastest placement of which enough is integer: the cheapest of all where that is enough, else the one that favours products the least for it. Undefined
 * when no favour does.
 */
function cheapestCovering(cheapest: (favour: number) => Placement, floor: number): Placement | undefined {
  const covers = ({ layers }: Placement) => integerShare(layers) >= floor
  const first = cheapest(0)
  if (covers(first)) return first
  let low = 0
  let high = favours.least
  let found = cheapest(high)
  while (!covers(found)) {
    if (high >= favours.most) return undefined
    low = high
    high *= 4
    found = cheapest(high)
  }
  for (let step = 0; step < favours.steps; step += 1) {
    const middle = (low + high) / 2
    const placement = cheapest(middle)
    if (covers(placement)) {
      found = placement
      high = middle
    } else low = middle
  }
  return found
}

function integerShare(layers: readonly PlacedLayer[]): number {
  const sum = (list: readonly PlacedLayer[]) => list.reduce((total, { macs }) => total + macs, 0)
  return sum(layers.filter(({ state }) => state === 'int8')) / Math.max(sum(layers), 1)
}

/** Every operator with an integer kernel, those that may not have one, and those that were measured to be worth it even where floats become codes before them. */
interface Choices {
  readonly units: ReadonlyMap<Node, Unit>
  readonly refused: ReadonlyMap<Node, string>
  readonly faster?: ReadonlySet<Node>
}

/** The placement by the built-in rules without what is refused. */
function placed(options: PlaceOptions, choices: Choices): Placement {
  const { graph } = options
  const { units, refused } = choices
  const capable = capableUnits(options, choices)
  const integer = wantedUnits(graph, units, capable)
  const chosen = new Map(
    [...units].filter(([, unit]) => integer.has(unit)).map(([node, unit]) => [node, unfolded(graph, units, integer, unit)]),
  )
  return { units: chosen, quantizers: placeQuantizers(options, chosen), layers: placedLayers(options, { units, placed: chosen, refused }) }
}

function refusals({ graph, shapes, keepFloat, ops, given }: PlaceOptions, units: ReadonlyMap<Node, Unit>): Map<Node, string> {
  const refused = findDetectionHead(graph)
  for (const node of findSqueezeExcite(graph))
    refused.set(node, 'gate of a squeeze-excite block: no time in it, and it scales whole channels')
  // A model that was trained with quantizers was trained to answer so.
  if (given === undefined) for (const [node, reason] of findAnsweringLayers(graph, shapes, units)) refused.set(node, reason)
  for (const [node, { form }] of units) {
    if (form !== 'move' && !ops.has(node.opType)) refused.set(node, `the device takes no int8 ${node.opType}`)
    const reason = keepFloat.get(node.name)
    if (reason !== undefined) refused.set(node, reason)
  }
  return refused
}

/** Units whose data arrives as codes, in graph order: everything that the operators before can give. */
function capableUnits({ graph, shapes }: PlaceOptions, { units, refused, faster }: Choices): Set<Unit> {
  const capable = new Set<Unit>()
  const coded = new Set<string>()
  const size = (value: string) => elementCount(shapes.get(value) ?? [])
  for (const node of graph.nodes) {
    const unit = units.get(node)
    if (unit === undefined || refused.has(node)) continue
    const arrives = (value: string) => coded.has(value)
    // A matrix product gives floats for nothing: its activation takes them as they are, and one quantizer less spends accuracy.
    const free = isActivation(unit) && isMatrixProduct(graph, unit.data[0]!)
    if (free) continue
    const small = (value: string) => size(value) <= size(node.outputs[0]!) * smallShare
    const able =
      faster?.has(node) === true ||
      unit.form === 'linear' ||
      (unit.form === 'dynamic-matmul' && unit.data.some(arrives)) ||
      (unit.form === 'elementwise' && unit.data.some(arrives) && unit.data.every(value => arrives(value) || small(value))) ||
      unit.data.every(arrives)
    if (!able) continue
    capable.add(unit)
    for (const output of unit.outputs) coded.add(output)
  }
  return capable
}

/** HardSwish, Sigmoid, LeakyRelu. */
const isActivation = ({ form }: Unit) => form === 'hard-swish' || form === 'unary'

/** True for the result of a matrix product, with its bias added or not. */
function isMatrixProduct(graph: Graph, value: string): boolean {
  const producer = graph.producer(value)
  if (producer === undefined || isOp(producer, 'Gemm', 'MatMul')) return producer !== undefined
  return (
    isOp(producer, 'Add') &&
    producer.inputs.some(input => isOp(graph.producer(input), 'MatMul')) &&
    producer.inputs.some(input => isConstant(graph, input))
  )
}

/** Capable units that another integer unit reads from, or that are worth it by themselves. */
function wantedUnits(graph: Graph, units: ReadonlyMap<Node, Unit>, capable: ReadonlySet<Unit>): Set<Unit> {
  const wanted = new Set<Unit>()
  for (const node of [...graph.nodes].reverse()) {
    const unit = units.get(node)
    if (unit === undefined || !capable.has(unit)) continue
    const byItself = unit.form === 'linear' || unit.form === 'dynamic-matmul' || unit.form === 'global-pool'
    if (byItself || unit.outputs.some(output => hasReader(graph, units, wanted, output))) wanted.add(unit)
  }
  return wanted
}

const hasReader = (graph: Graph, units: ReadonlyMap<Node, Unit>, integer: ReadonlySet<Unit>, value: string) =>
  graph.consumers(value).some(node => {
    const unit = units.get(node)
    return unit !== undefined && integer.has(unit) && unit.data.includes(value)
  })

/** True for a matrix product whose result nobody reads as codes: its kernel gives floats, which saves a quantizer and its error. */
const givesFloats = (graph: Graph, units: ReadonlyMap<Node, Unit>, integer: ReadonlySet<Unit>, unit: Unit) =>
  (unit.form === 'dynamic-matmul' || (unit.form === 'linear' && !isOp(unit.main, 'Conv'))) &&
  !hasReader(graph, units, integer, unit.outputs[0]!)

/** A unit without quantizer behind it has nothing to fold an activation into. */
function unfolded(graph: Graph, units: ReadonlyMap<Node, Unit>, integer: ReadonlySet<Unit>, unit: Unit): Unit {
  if (!givesFloats(graph, units, integer, unit)) return unit
  const { clip, ...rest } = unit
  if (clip === undefined) return { ...rest, givesFloats: true }
  const activation = unit.folded.at(-1)!
  return { ...rest, folded: unit.folded.slice(0, -1), outputs: [activation.inputs[0]!], givesFloats: true }
}

function placeQuantizers(
  { graph, shapes, weightRange, given = noGivenQuantizers }: PlaceOptions,
  units: ReadonlyMap<Node, Unit>,
): Map<string, Quantizer> {
  const quantizers = new Map<string, Quantizer>()
  const signed = weightRange === 'half' ? new Set<string>() : signedRoots(graph, shapes, units)
  const known = givenOfUnits(units, given)
  const fixedAt = (value: string, producer: Node | undefined): Pick<Quantizer, 'fixed' | 'given'> => {
    const affine = known.get(value)
    if (affine !== undefined) return { fixed: affine, given: true }
    return isOp(producer, 'Softmax', 'Sigmoid') ? { fixed: unitInterval } : {}
  }
  for (const node of graph.nodes) {
    const unit = units.get(node)
    if (unit === undefined) continue
    for (const value of unit.data) {
      if (quantizers.has(value)) continue
      const fixed = fixedAt(value, graph.producer(value))
      quantizers.set(value, {
        value,
        root: value,
        at: 'entering',
        signed: signed.has(value),
        ...fixed,
        ...plateauOf(graph.producer(value)),
      })
    }
    if (unit.givesFloats === true) continue
    for (const value of unit.outputs) {
      const from = unit.form === 'move' ? quantizers.get(unit.data[0]!) : undefined
      quantizers.set(
        value,
        from !== undefined
          ? { ...from, value, at: 'produced' }
          : {
              value,
              root: value,
              at: 'produced',
              signed: signed.has(value),
              ...fixedAt(value, isOp(node, 'Sigmoid') ? node : undefined),
              ...clipOf(graph, units, unit, value),
              ...(unit.scaleShift === undefined ? {} : { scaleShift: unit.scaleShift }),
            },
      )
    }
  }
  return quantizers
}

/** HardSwish is 0 at and below this: what lies lower need not be told apart. */
const hardSwishZero = -3

/** Interval outside of which a produced value need not be represented: beyond a folded activation, or where all readers are flat. */
function clipOf(graph: Graph, units: ReadonlyMap<Node, Unit>, { clip }: Unit, value: string): Pick<Quantizer, 'clip'> {
  const readers = graph.consumers(value)
  const flatBelow = readers.length > 0 && !graph.isOutput(value) && readers.every(node => units.get(node)?.form === 'hard-swish')
  if (!flatBelow) return clip === undefined ? {} : { clip }
  return { clip: { low: Math.max(clip?.low ?? hardSwishZero, hardSwishZero), high: clip?.high ?? Number.POSITIVE_INFINITY } }
}

/**
 * Values that reach nothing but the second operand of dynamic products, through at least one moving operator (an adjacent Q-DQ pair is turned into uint8),
 * and that a float stands behind: a product with a quantizer directly behind must give the type that it takes.
 */
function signedRoots(graph: Graph, shapes: Shapes, units: ReadonlyMap<Node, Unit>): Set<string> {
  const roots = new Set<string>()
  const leadsToSecond = (value: string, moved: boolean): boolean => {
    const readers = graph.consumers(value)
    if (readers.length === 0 || graph.isOutput(value)) return false
    return readers.every(node => {
      const unit = units.get(node)
      if (unit === undefined) return false
      if (unit.form === 'move') return unit.outputs.every(output => leadsToSecond(output, true))
      return unit.form === 'dynamic-matmul' && moved && unit.data[1] === value && unit.data[0] !== value
    })
  }
  for (const value of shapes.keys()) {
    const producer = graph.producer(value)
    const unit = [...units.values()].find(candidate => candidate.outputs.includes(value))
    const floatStandsBehind = unit === undefined || (isOp(unit.main, 'MatMul') && unit.bias !== undefined)
    if (producer !== undefined && floatStandsBehind && leadsToSecond(value, false)) roots.add(value)
  }
  return roots
}

interface Fates {
  readonly units: ReadonlyMap<Node, Unit>
  readonly placed: ReadonlyMap<Node, Unit>
  readonly refused: ReadonlyMap<Node, string>
}

/** Every operator on floats and its fate; arithmetic on shapes is none of ours. */
function placedLayers({ graph, shapes }: PlaceOptions, { units, placed, refused }: Fates): PlacedLayer[] {
  const removed = new Set([...placed.values()].flatMap(unit => unit.folded))
  return graph.nodes
    .filter(node => node.outputs.some(output => shapes.has(output)) || readsOf(node).some(value => shapes.has(value)))
    .filter(node => !isOp(node, 'Identity', 'Shape', 'Size'))
    .map(node => {
      const macs = countMacs(graph, shapes, node)
      const unit = placed.get(node)
      if (removed.has(node)) return { node, state: 'removed', macs }
      if (unit !== undefined) return { node, state: unit.form === 'move' ? 'codes' : 'int8', macs }
      return { node, state: 'float', reason: refused.get(node) ?? floatReason(graph, node, units.has(node)), macs }
    })
}

function floatReason(graph: Graph, node: Node, isUnit: boolean): string {
  if (isUnit) return 'its neighbours are float, where an integer operator would only add conversions'
  if (isOp(node, 'Conv', 'Gemm', 'MatMul') && !isConstant(graph, node.inputs[1] ?? '')) return 'its weights are computed, not constant'
  if (isOp(node, 'GRU', 'LSTM', 'RNN')) return 'recurrent layers have no static int8 kernel in this engine'
  return `${node.opType} has no integer kernel that is faster than float`
}
