import { QuantdError } from '../../../errors.js'
import { type Attribute, makeNode } from '../../node.js'
import { type ConstantTensor, constant, constantData } from '../../tensor/tensor.js'
import type { IrLayer } from '../net.js'
import type { GraphBuilder } from './graph-builder.js'

/** One layer of an IR file on its way into a graph. */
export class ImportCall {
  readonly layer: IrLayer
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly builder: GraphBuilder
  readonly #isRead: (index: number) => boolean

  constructor(fields: {
    readonly layer: IrLayer
    readonly inputs: readonly string[]
    readonly outputs: readonly string[]
    readonly builder: GraphBuilder
    readonly isRead: (index: number) => boolean
  }) {
    this.layer = fields.layer
    this.inputs = fields.inputs
    this.outputs = fields.outputs
    this.builder = fields.builder
    this.#isRead = fields.isRead
  }

  /** True where another layer reads this output. */
  isRead(index: number): boolean {
    return this.#isRead(index)
  }

  text(key: string, otherwise = ''): string {
    return this.layer.data[key] ?? otherwise
  }

  number(key: string, otherwise: number): number {
    const value = this.layer.data[key]
    return value === undefined ? otherwise : Number(value)
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.layer.data[key]
    return value === undefined ? otherwise : value === 'true' || value === '1'
  }

  /** "1, 2" -> [1, 2]. */
  list(key: string): readonly number[] {
    const value = this.layer.data[key] ?? ''
    return value.trim() === '' ? [] : value.split(',').map(Number)
  }

  constant(index: number): ConstantTensor | undefined {
    return this.builder.constant(this.inputs[index] ?? '')
  }

  /** Values of a constant input as numbers; undefined where it is missing or computed. */
  numbers(index: number): readonly number[] | undefined {
    const tensor = this.constant(index)
    return tensor === undefined ? undefined : Array.from(constantData(tensor) as ArrayLike<number | bigint>, Number)
  }

  /** Sizes of an input as its port has them; -1 is free. */
  dims(index: number): readonly number[] {
    return this.layer.inputs[index]?.dims ?? []
  }

  int64s(name: string, values: readonly number[]): string {
    return this.builder.addConstant(`${this.layer.name}/${name}`, constant('int64', [values.length], BigInt64Array.from(values, BigInt)))
  }

  /** A node within the translation; returns its output. */
  add(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.builder.addNode({ name: `${this.layer.name}/${opType}`, opType, inputs, attributes })
  }

  /** The node that gives the layer's outputs. */
  result(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): void {
    this.builder.push(
      makeNode({
        name: this.builder.nodeName(this.layer.name),
        opType,
        inputs,
        outputs: this.outputs.filter((_, index) => index === 0 || this.#isRead(index)),
        attributes,
      }),
    )
  }

  refuse(why: string): QuantdError {
    const { name, type } = this.layer
    return new QuantdError('ERR_IR_READ', `layer '${name}' (${type}): ${why}`, { details: { layer: name, type } })
  }
}

/** Adds the nodes of one layer; false = it has no ONNX form, so the layer passes through as it is. */
export type ImportLayer = (call: ImportCall) => boolean | undefined
