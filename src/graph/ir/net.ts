/** A port as the file has it: precision FP32, I64, ...; -1 is a free size. */
export interface IrPort {
  readonly id: number
  readonly precision: string | undefined
  readonly dims: readonly number[]
  /** Names of the tensor, of outputs only. */
  readonly names: readonly string[]
}

/** One layer of an IR file. Ids of its ports are unique within it: inputs first, then outputs. */
export interface IrLayer {
  readonly id: number
  readonly name: string
  readonly type: string
  /** opset1, opset8, or the name of an extension. */
  readonly opset: string
  readonly data: Readonly<Record<string, string>>
  readonly inputs: readonly IrPort[]
  readonly outputs: readonly IrPort[]
  /** What stands in the layer besides (bodies of loops, rt_info), as the XML parser gave it. */
  readonly rest: readonly unknown[]
}

export interface IrEdge {
  readonly fromLayer: number
  readonly fromPort: number
  readonly toLayer: number
  readonly toPort: number
}

/** An IR file without its weights: what the .xml says (quantization.md 9.1). */
export interface IrNet {
  readonly name: string
  /** 10 or 11. */
  readonly version: number
  readonly layers: readonly IrLayer[]
  readonly edges: readonly IrEdge[]
  /** Elements of the net besides layers and edges (meta_data, rt_info), as the XML parser gave them. */
  readonly rest: readonly unknown[]
}
