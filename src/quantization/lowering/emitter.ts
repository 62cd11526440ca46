import type { Graph } from '../../graph/graph.js'
import { type Attribute, int, makeNode, type Node } from '../../graph/node.js'
import { type ConstantTensor, constant, scalar } from '../../graph/tensor/tensor.js'
import type { Affine } from '../ranges/affine.js'

/** Type of the codes of an activation: uint8 with the zero point as it is, int8 with 128 less. */
export type Codes = 'uint8' | 'int8'

export interface WeightFields {
  readonly name: string
  readonly tensor: ConstantTensor
  readonly scales: Float32Array
  readonly axis: number | undefined
  readonly zeroPoint: 'written' | 'absent'
}

/** Builds the node list of a QDQ graph. Every scale and zero point is a 0-d scalar: shape [1] breaks Add, Mul and AveragePool (ort-fusion.md b10). */
export class Emitter {
  readonly #graph: Graph
  readonly #nodes: Node[] = []
  readonly #shared = new Map<string, string>()

  constructor(graph: Graph) {
    this.#graph = graph
  }

  get nodes(): readonly Node[] {
    return this.#nodes
  }

  copy(node: Node): void {
    this.#nodes.push(node)
  }

  /** One operator with one output; returns the output's name. */
  add(fields: {
    name: string
    opType: string
    inputs: readonly string[]
    output?: string
    attributes?: Readonly<Record<string, Attribute>>
  }): string {
    const { name, opType, inputs, output = this.#graph.uniqueName(`${name}/out`), attributes = {} } = fields
    this.#nodes.push(makeNode({ name: this.#graph.uniqueName(`${name}/${opType}`), opType, inputs, outputs: [output], attributes }))
    return output
  }

  /** The same call under its old name, other inputs and outputs. */
  rewire(node: Node, inputs: readonly string[], outputs: readonly string[]): void {
    this.#nodes.push(makeNode({ ...node, attributes: Object.fromEntries(node.attributes), inputs, outputs }))
  }

  /** `node` with other inputs and a fresh output, whose name is returned. */
  product(node: Node, inputs: readonly string[]): string {
    const output = this.#graph.uniqueName(`${node.name}/product`)
    this.rewire(node, inputs, [output])
    return output
  }

  quantize(value: string, affine: Affine, codes: Codes): string {
    return this.add({
      name: value,
      opType: 'QuantizeLinear',
      inputs: [value, this.scale(affine.scale), this.zeroPoint(affine.zeroPoint, codes)],
    })
  }

  dequantize(value: string, affine: Affine, codes: Codes, output?: string): string {
    const inputs = [value, this.scale(affine.scale), this.zeroPoint(affine.zeroPoint, codes)]
    return this.add({ name: value, opType: 'DequantizeLinear', inputs, ...(output === undefined ? {} : { output }) })
  }

  /**
   * A quantized constant and its DequantizeLinear; a scale per channel along `axis`, or one for all. With `zeroPoint` the zeros are written out: Gemm is fused only
   * with them, a bias only without.
   */
  weight({ name, tensor, scales, axis, zeroPoint }: WeightFields): string {
    const inputs = [this.#graph.addConstant(`${name}/codes`, tensor)]
    inputs.push(axis === undefined ? this.scale(scales[0]!) : this.constant(`${name}/scale`, constant('float32', [scales.length], scales)))
    if (zeroPoint === 'written') {
      inputs.push(this.constant(`${name}/zero`, constant('int8', axis === undefined ? [] : [scales.length], new Int8Array(scales.length))))
    }
    return this.add({ name, opType: 'DequantizeLinear', inputs, attributes: axis === undefined ? {} : { axis: int(axis) } })
  }

  constant(name: string, tensor: ConstantTensor): string {
    return this.#graph.addConstant(name, tensor)
  }

  scale(value: number): string {
    return this.#once(`scale/${value}`, () => scalar('float32', Float32Array.of(value)))
  }

  zeroPoint(value: number, codes: Codes): string {
    return codes === 'uint8'
      ? this.#once(`zero/uint8/${value}`, () => scalar('uint8', Uint8Array.of(value)))
      : this.#once(`zero/int8/${value - 128}`, () => scalar('int8', Int8Array.of(value - 128)))
  }

  #once(key: string, make: () => ConstantTensor): string {
    const known = this.#shared.get(key)
    if (known !== undefined) return known
    const name = this.#graph.addConstant(`quantd/${key}`, make())
    this.#shared.set(key, name)
    return name
  }
}
