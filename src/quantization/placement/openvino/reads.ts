import type { Graph } from '../../../graph/graph.js'
import { isOp, type Node } from '../../../graph/node.js'
import type { DeviceSpec } from '../../../hardware/device-spec.js'
import type { GivenQuantizers } from '../given-quantizers.js'
import { isConstant } from '../scan-units.js'
import type { Shapes } from '../shapes.js'
import type { Form, Unit } from '../unit.js'
import { isActivation, isAgnostic, isElementwise, isPooling, isScaleShift, opClass } from './op-classes.js'

/** An operator that wants to read a value through a quantizer of one of `configs` (names in the device spec, fastest first). */
export interface Read {
  readonly node: Node
  readonly value: string
  readonly configs: readonly string[]
  /** A convolution or matrix product reads it, directly or through operators that hand the quantizer on. */
  readonly linear: boolean
}

export interface ReadOptions {
  readonly graph: Graph
  readonly shapes: Shapes
  readonly ops: DeviceSpec['ops']
  readonly linear: ReadonlyMap<Node, Unit>
  /** Operators that stay float, and why; reasons found here are added. */
  readonly refused: Map<Node, string>
  /** What the model brought along stays, also where no quantizer would be. */
  readonly given: GivenQuantizers
}

/** Reads of every operator that computes on quantized inputs, in graph order: the places where quantizers start (quantization.md 4.2). */
export function wantedReads(options: ReadOptions): Read[] {
  const { graph, ops, linear, refused } = options
  const flow = new Flow(options)
  const reads: Read[] = []
  const want = (node: Node, values: readonly string[], isLinear: boolean) => {
    const configs = ops[opClass(graph, node)]!.activations
    for (const value of new Set(values)) reads.push({ node, value, configs, linear: isLinear })
  }
  for (const node of graph.nodes) {
    const form = quantizableForm(options, node)
    if (form === undefined || refused.has(node)) continue
    if (form === 'linear') want(node, linear.get(node)!.data, true)
    else if (form === 'dynamic-matmul') want(node, node.inputs, true)
    else {
      const reason = flow.reasonAgainst(node)
      if (reason !== undefined) refused.set(node, reason)
      else want(node, isElementwise(node) ? flow.quantizedOperands(node) : [node.inputs[0]!], false)
    }
  }
  const quantized = new Set(reads.map(({ value }) => value))
  for (const node of graph.nodes) {
    // Beside readers of codes one of floats makes the operator before them write both.
    if (!isPooling(node) || !quantized.has(node.inputs[0]!) || reads.some(read => read.node === node)) continue
    if (refused.get(node) !== unread || quantizableForm(options, node) === undefined) continue
    refused.delete(node)
    want(node, [node.inputs[0]!], false)
  }
  return reads
}

const unread = 'no convolution or matrix product reads its result'

/** How `node` computes on quantized data on this device; undefined where it does not. */
export function quantizableForm(
  { graph, shapes, ops, linear }: Pick<ReadOptions, 'graph' | 'shapes' | 'ops' | 'linear'>,
  node: Node,
): Form | undefined {
  const rule = ops[opClass(graph, node)]
  if (rule === undefined || rule.activations.length === 0) return undefined
  if (linear.has(node)) return rule.weights.length > 0 ? 'linear' : undefined
  const isFloat = (value: string) => shapes.has(value) && !isConstant(graph, value)
  if (isOp(node, 'MatMul')) return node.inputs.every(isFloat) ? 'dynamic-matmul' : undefined
  if (isElementwise(node)) return node.inputs.length === 2 && node.inputs.every(isFloat) ? 'elementwise' : undefined
  if (!isPooling(node) || !isFloat(node.inputs[0]!)) return undefined
  return node.opType === 'AveragePool' ? 'average-pool' : node.opType === 'Resize' ? 'unary' : 'global-pool'
}

/** Where values come from and go to, through operators that compute no product. */
class Flow {
  readonly #options: ReadOptions
  readonly #from = new Map<string, boolean>()
  readonly #to = new Map<string, boolean>()
  readonly #position: ReadonlyMap<Node, number>

  constructor(options: ReadOptions) {
    this.#options = options
    this.#position = new Map(options.graph.nodes.map((node, index) => [node, index]))
  }

  /** Why an operator without weights is not worth a quantizer. */
  reasonAgainst(node: Node): string | undefined {
    if (!node.inputs.some(value => this.#isConvolved(value)))
      return 'between no convolutions: a quantizer would cost accuracy and save no time'
    return node.outputs.some(value => this.#feedsProduct(value)) ? undefined : unread
  }

  /**
   * Operands that carry a quantizer. The result of a convolution stays as it is on one of them, with the activation behind it: its sum is kept whole and
   * OpenVINO adds the other operand inside the convolution. Of two such operands it is the one computed last.
   */
  quantizedOperands(node: Node): readonly string[] {
    const fused = node.inputs
      .map(value => ({ value, product: this.#productBehind(value, node) }))
      .filter(({ product }) => product !== undefined)
      .sort((a, b) => this.#position.get(b.product!)! - this.#position.get(a.product!)!)
    const whole = fused[0]?.value
    const others = node.inputs.filter(value => value !== whole || this.#options.given.activations.has(value))
    return others.length === 0 ? node.inputs : others
  }

  /** The integer product whose result reaches `reader` as `value` through functions of one element that nothing else reads. */
  #productBehind(value: string, reader: Node): Node | undefined {
    const { graph, linear, refused } = this.#options
    let at = value
    let next = reader
    for (;;) {
      const producer = graph.producer(at)
      if (producer === undefined || graph.soleConsumer(at) !== next) return undefined
      if (linear.has(producer)) return refused.has(producer) ? undefined : producer
      if (!isActivation(producer) && !isScaleShift(graph, producer)) return undefined
      next = producer
      at = producer.inputs.find(input => !isConstant(graph, input))!
      if (at === undefined) return undefined
    }
  }

  #passesOn(node: Node): boolean {
    const { graph } = this.#options
    return (
      isActivation(node) ||
      isScaleShift(graph, node) ||
      isElementwise(node) ||
      isPooling(node) ||
      isAgnostic(graph, node) ||
      isOp(node, 'BatchNormalization', 'Concat')
    )
  }

  #isConvolved(value: string): boolean {
    const known = this.#from.get(value)
    if (known !== undefined) return known
    const node = this.#options.graph.producer(value)
    const found =
      node !== undefined &&
      (isOp(node, 'Conv', 'ConvTranspose') || (this.#passesOn(node) && node.inputs.some(input => this.#isConvolved(input))))
    this.#from.set(value, found)
    return found
  }

  #feedsProduct(value: string): boolean {
    const known = this.#to.get(value)
    if (known !== undefined) return known
    const { graph, linear, refused } = this.#options
    const found = graph
      .consumers(value)
      .some(node =>
        linear.has(node)
          ? !refused.has(node) && linear.get(node)!.data[0] === value
          : this.#passesOn(node) && node.outputs.some(output => output !== '' && this.#feedsProduct(output)),
      )
    this.#to.set(value, found)
    return found
  }
}
