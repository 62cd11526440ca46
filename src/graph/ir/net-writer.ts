import { QuantdError } from '../../errors.js'
import type { DType } from '../tensor/dtype.js'
import { type ConstantTensor, constant } from '../tensor/tensor.js'
import { elementType, precision } from './element-types.js'
import type { IrEdge, IrLayer, IrNet } from './net.js'
import { WeightsWriter } from './weights.js'

/** An output of a layer that was written. */
export interface Source {
  readonly layer: number
  readonly port: number
  readonly dtype: DType | undefined
  readonly dims: readonly number[]
}

export interface LayerFields {
  /** Made unique: OpenVINO wants one name per layer. */
  readonly name: string
  readonly type: string
  readonly opset?: string
  readonly data?: Readonly<Record<string, string | number | boolean | readonly number[]>>
  readonly inputs: readonly Source[]
  /** Default: one output of the type of the first input. */
  readonly outputs?: readonly { readonly dtype: DType | undefined; readonly dims?: readonly number[]; readonly names?: readonly string[] }[]
  readonly rest?: readonly unknown[]
}

/** Builds an IR net layer by layer, in topological order; output ports are numbered behind the input ports (quantization.md 9.1). */
export class NetWriter {
  readonly #layers: IrLayer[] = []
  readonly #edges: IrEdge[] = []
  readonly #weights = new WeightsWriter()
  readonly #names = new Set<string>()

  /** @returns the outputs */
  addAll({
    name,
    type,
    opset = 'opset1',
    data = {},
    inputs,
    outputs = [{ dtype: inputs[0]?.dtype }],
    rest = [],
  }: LayerFields): readonly Source[] {
    const id = this.#layers.length
    const sources = outputs.map(({ dtype, dims = [] }, index): Source => ({ layer: id, port: inputs.length + index, dtype, dims }))
    this.#layers.push({
      id,
      name: this.#unique(name),
      type,
      opset,
      data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Array.isArray(value) ? value.join(',') : String(value)])),
      inputs: inputs.map(({ dtype, dims }, index) => ({ id: index, precision: precision(dtype), dims, names: [] })),
      outputs: outputs.map(({ dtype, dims = [], names = [] }, index) => ({
        id: inputs.length + index,
        precision: precision(dtype),
        dims,
        names,
      })),
      rest,
    })
    inputs.forEach(({ layer, port }, index) => {
      this.#edges.push({ fromLayer: layer, fromPort: port, toLayer: id, toPort: index })
    })
    return sources
  }

  /** A layer with one output. */
  add(fields: LayerFields): Source {
    return this.addAll(fields)[0]!
  }

  /** @throws ERR_IR_OP for a type that IR files do not have */
  constant(name: string, tensor: ConstantTensor): Source {
    const type = elementType(tensor.dtype)
    if (type === undefined) throw new QuantdError('ERR_IR_OP', `constant '${name}': IR has no type ${tensor.dtype}`)
    const { bytes, shape, dtype } = tensor
    const data = { element_type: type, shape, offset: this.#weights.add(bytes), size: bytes.byteLength }
    return this.add({ name, type: 'Const', data, inputs: [], outputs: [{ dtype, dims: shape }] })
  }

  int64s(name: string, values: readonly number[]): Source {
    return this.constant(name, constant('int64', [values.length], BigInt64Array.from(values, BigInt)))
  }

  int64(name: string, value: number): Source {
    return this.constant(name, constant('int64', [], BigInt64Array.of(BigInt(value))))
  }

  floats(name: string, values: readonly number[], shape: readonly number[] = []): Source {
    return this.constant(name, constant('float32', shape, Float32Array.from(values)))
  }

  finish({ name, version, rest = [] }: { readonly name: string; readonly version: 10 | 11; readonly rest?: readonly unknown[] }): {
    readonly net: IrNet
    readonly weights: Uint8Array
  } {
    return { net: { name, version, layers: this.#layers, edges: this.#edges, rest }, weights: this.#weights.bytes() }
  }

  #unique(base: string): string {
    let name = base
    for (let suffix = 1; this.#names.has(name); suffix += 1) name = `${base}_${suffix}`
    this.#names.add(name)
    return name
  }
}
