import { QuantdError } from '../../errors.js'
import { redirectReads } from '../../graph/edit.js'
import { emulateFakeQuantize } from '../../graph/fake-quantize/emulate-fake-quantize.js'
import type { FoundQuantizer } from '../../graph/fake-quantize/found-quantizer.js'
import { sameGrid } from '../../graph/fake-quantize/grid.js'
import { centredCodes, channelAt, gridUnder, valuesOf } from '../../graph/fake-quantize/grid-codes.js'
import { isFakeQuantize, readFakeQuantize } from '../../graph/fake-quantize/read-fake-quantize.js'
import { Graph, type Model } from '../../graph/graph.js'
import { intsAttribute, isOp, makeNode, type Node } from '../../graph/node.js'
import { openvinoDomain } from '../../graph/openvino-domain.js'
import { factRules } from '../../graph/ops/catalog.js'
import { type Facts, inferFacts } from '../../graph/ops/facts.js'
import type { Evaluate } from '../../graph/passes/define-pass.js'
import { foldModel, prepareModel } from '../../graph/passes/prepare.js'
import { type ConstantTensor, constant, constantData, scalar } from '../../graph/tensor/tensor.js'
import { subgraphsOf } from '../../graph/verify.js'
import type { GivenQuantizers } from '../placement/given-quantizers.js'
import { type Affine, type Range, rangeOf } from '../ranges/affine.js'
import { type ActivationGrid, activationGrid } from './activation-grid.js'
import { isNonNegative } from './is-non-negative.js'
import { Notes } from './notes.js'
import { isDequantizeLinear, isQuantizeLinear, readQuantizePair, readStoredCodes } from './read-quantize-linear.js'
import { settleQuantizers } from './settle-quantizers.js'
import { transposedWeights, type WeightCodes, weightCodes } from './weight-codes.js'

export interface ImportOptions {
  readonly evaluate: Evaluate
  /** `half`: weights with codes beyond +-64 would saturate beside uint8, so theirs are not kept. */
  readonly weightRange: 'full' | 'half'
}

export interface ImportedQuantizers {
  /** The float model without quantizers, prepared (`prepareModel`); weights that were quantized lie on their grid. */
  readonly model: Model
  readonly given: GivenQuantizers
  /** What could not be kept exactly as the file has it. */
  readonly notes: readonly string[]
}

/** True for a model with quantizers of its own: FakeQuantize, or DequantizeLinear. */
export function bringsQuantizers({ graph }: Model): boolean {
  return graph.nodes.some(node => isFakeQuantize(node) || isDequantizeLinear(node) || isInside(node))
}

const isInside = (node: Node): boolean => subgraphsOf(node).some(inner => inner.nodes.some(each => isFakeQuantize(each) || isInside(each)))

/**
 * Takes the quantizers out of a quantization-aware trained model (quantization.md 8.3), or of one that another tool quantized: FakeQuantize with or without domain,
 * QuantizeLinear and DequantizeLinear pairs, stored codes. While `prepareModel` works, each activation quantizer stands in the graph as a node that no pass looks
 * through, so that nothing is fused across it; weights are folded with BatchNormalization as floats, and their scales are recovered from that to the last bits.
 * @throws ERR_GRAPH_FAKE_QUANTIZE, ERR_QUANT_QAT_SUBGRAPH, and what `prepareModel` throws
 */
export async function importQuantizers(model: Model, { evaluate, weightRange }: ImportOptions): Promise<ImportedQuantizers> {
  const folded = await foldModel(model, { evaluate })
  const importer = new Importer(folded.graph, { opset: folded.opsets.get('') ?? 0, evaluate })
  await importer.run()
  const opsets = new Map([...folded.opsets].filter(([domain]) => domain !== openvinoDomain))
  const prepared = await prepareModel({ ...folded, opsets }, { evaluate })
  const { activations, weights, notes } = importer
  const given = settleQuantizers(prepared.graph, { activations, weights, notes, weightRange })
  declareSizes(prepared)
  return { model: prepared, given, notes: notes.list() }
}

/** Exporters that do not know FakeQuantize give names to sizes behind it; those that are certain are declared again. */
function declareSizes({ graph, opsets }: Model): void {
  const facts = inferFacts(graph, { opset: opsets.get('') ?? 0, rules: factRules })
  graph.setOutputs(
    graph.outputs.map(output => {
      const found = facts(output.name).shape
      if (output.shape === undefined || found?.length !== output.shape.length) return output
      return { ...output, shape: output.shape.map((size, axis) => (typeof found[axis] === 'number' ? found[axis] : size)) }
    }),
  )
}

/** Reads the quantizers of one graph, then rewrites it once. */
class Importer {
  /** By the name of the FakeQuantize node that stands for one from here on. */
  readonly activations = new Map<string, Affine>()
  /** By the name of the linear node that they are the weights of. */
  readonly weights = new Map<string, WeightCodes>()
  readonly notes = new Notes()
  readonly #graph: Graph
  readonly #evaluate: Evaluate
  readonly #opset: number
  readonly #facts: (value: string) => Facts
  /** What comes in place of a node. */
  readonly #replaced = new Map<Node, readonly Node[]>()
  /** Values that are read from elsewhere now. */
  readonly #reads = new Map<string, string>()
  /** Values behind quantizers that start at zero. */
  readonly #nonNegative = new Set<string>()

  constructor(graph: Graph, { opset, evaluate }: { opset: number; evaluate: Evaluate }) {
    this.#graph = graph
    this.#opset = opset
    this.#evaluate = evaluate
    this.#facts = inferFacts(graph, { opset, rules: factRules })
  }

  async run(): Promise<void> {
    const graph = this.#graph
    for (const node of graph.nodes) {
      if (isInside(node))
        throw new QuantdError('ERR_QUANT_QAT_SUBGRAPH', `node '${node.name}' (${node.opType}): a FakeQuantize stands inside its subgraph`, {
          details: { node: node.name },
        })
    }
    for (const node of graph.nodes) {
      if (isFakeQuantize(node)) this.#fakeQuantize(node)
      else if (isDequantizeLinear(node)) await this.#dequantizeLinear(node)
    }
    graph.setNodes(graph.nodes.flatMap(node => this.#replaced.get(node) ?? [node]))
    redirectReads(graph, this.#reads)
    this.#removeUnreadCodes()
  }

  /** QuantizeLinear, and Clip behind it, that nothing dequantizes any more. */
  #removeUnreadCodes(): void {
    const graph = this.#graph
    const isUnread = ({ outputs }: Node) => outputs.every(output => graph.consumers(output).length === 0 && !graph.isOutput(output))
    for (;;) {
      const gone = graph.nodes.filter(node => (isQuantizeLinear(node) || isOp(node, 'Clip')) && isUnread(node))
      if (gone.length === 0) return
      graph.removeNodes(gone)
    }
  }

  #rank(value: string): number | undefined {
    return this.#facts(value).shape?.length ?? this.#constant(value)?.shape.length
  }

  /** Constants of the file, and what has become one. */
  #constant(value: string): ConstantTensor | undefined {
    return this.#graph.constant(this.#reads.get(value) ?? value)
  }

  #fakeQuantize(node: Node): void {
    const graph = this.#graph
    const input = node.inputs[0] ?? ''
    const found = readFakeQuantize(graph, node, this.#rank(input))
    const perChannelRelabel = found !== undefined && found.takes.axis !== undefined && !sameGrid(found.takes, found.gives)
    if (found === undefined || (perChannelRelabel && this.#constant(input) === undefined)) {
      this.#replaced.set(node, emulateFakeQuantize(graph, node))
      this.notes.add('no affine quantizer, so it is computed in float as it stands', node.name)
      return
    }
    this.#take(found)
  }

  async #dequantizeLinear(node: Node): Promise<void> {
    const graph = this.#graph
    const stored = readStoredCodes(graph, node)
    if (stored !== undefined) {
      const { grid, shape } = stored
      const { zeroPoints, axis } = grid
      const channelOf = channelAt(shape, axis)
      const centred = Int32Array.from(stored.codes, (code, index) => code - zeroPoints[channelOf(index)]!)
      const codes = graph.constant(stored.input)!.dtype === 'int32' ? undefined : weightCodes(centred, shape, grid)
      this.#constantStays({ node, input: stored.input, values: valuesOf(centred, shape, grid), shape, codes })
      return
    }
    if (graph.constant(node.inputs[0]!) !== undefined) {
      await this.#evaluateConstant(node)
      return
    }
    const found = readQuantizePair(graph, node, this.#rank(node.inputs[0]!))
    if (found !== undefined) this.#take(found)
    else this.notes.add('codes that no plain quantizer stands around stay as they are', node.name)
  }

  #take(found: FoundQuantizer): void {
    const tensor = this.#constant(found.input)
    if (tensor === undefined) this.#activation(found)
    else if (tensor.dtype === 'float32') this.#weight(found, constantData(tensor) as Float32Array, tensor.shape)
  }

  #weight({ node, input, ...found }: FoundQuantizer, floats: Float32Array, shape: readonly number[]): void {
    const takes = gridUnder(floats, shape, found.takes)
    const gives = sameGrid(found.takes, found.gives) ? takes : found.gives
    const centred = centredCodes(floats, shape, takes)
    const shift = gives.zeroPoints.map((zeroPoint, channel) => (takes.zeroPoints[channel] ?? takes.zeroPoints[0]!) - zeroPoint)
    const channelOf = channelAt(shape, gives.axis)
    const given = shift.every(step => step === 0) ? centred : centred.map((code, index) => code + shift[channelOf(index)]!)
    if (!takes.exact || !gives.exact) this.notes.add('weights moved by at most half a step, so that zero is exactly a code', input)
    this.#constantStays({ node, input, values: valuesOf(given, shape, gives), shape, codes: weightCodes(given, shape, gives) })
  }

  /** The constant behind a quantizer in its place: under its own name where nothing else reads that. */
  #constantStays({ node, input, values, shape, codes }: ConstantFields): void {
    const graph = this.#graph
    const output = node.outputs[0]!
    if (codes === undefined && !this.#isBias(output))
      this.notes.add('its codes are not those of symmetric int8 weights, so they are made anew', input)
    if (codes !== undefined) this.#recordWeights(output, codes, input)
    const readers = graph.consumers(input)
    const alone = !graph.isOutput(input) && readers.length === 1 && this.#leadsTo(readers[0]!, node)
    const name = alone ? input : graph.uniqueName(`${input}/quantized`)
    graph.initializers.set(name, constant('float32', shape, values))
    this.#bypass(node, name)
  }

  /** True for `node` itself and for the QuantizeLinear (and Clip) before it that nothing else reads. */
  #leadsTo(reader: Node, node: Node): boolean {
    if (reader === node) return true
    const next = this.#graph.soleConsumer(reader.outputs[0]!)
    return next !== undefined && (isQuantizeLinear(reader) || isOp(reader, 'Clip')) && this.#leadsTo(next, node)
  }

  /** Biases, vectors and single numbers: no weights of a product, so that no codes of theirs are lost. */
  #isBias(value: string): boolean {
    const readers = this.#graph.consumers(value)
    const rank = this.#rank(value)
    return (
      (rank !== undefined && rank <= 1) || readers.every(node => isOp(node, 'Conv', 'ConvTranspose', 'Gemm') && node.inputs[2] === value)
    )
  }

  #recordWeights(value: string, codes: WeightCodes, name: string): void {
    for (const node of this.#graph.consumers(value)) {
      if (isOp(node, 'Conv', 'ConvTranspose', 'Gemm', 'MatMul') && node.inputs[1] === value) this.weights.set(node.name, codes)
      else if (isOp(node, 'Transpose')) {
        const permutation = intsAttribute(node, 'perm') ?? codes.shape.map((_, at) => codes.shape.length - 1 - at)
        this.#recordWeights(node.outputs[0]!, transposedWeights(codes, permutation), name)
      } else if (!this.#isBias(value)) this.notes.add(`a constant of ${node.opType}: its values are kept, its codes are made anew`, name)
    }
  }

  async #evaluateConstant(node: Node): Promise<void> {
    const graph = this.#graph
    const output = node.outputs[0]!
    const initializers = new Map<string, ConstantTensor>()
    for (const input of node.inputs) {
      const tensor = graph.constant(input)
      if (tensor !== undefined) initializers.set(input, tensor)
      else if (input !== '') return
    }
    const part = new Graph({
      name: 'constants',
      nodes: [node],
      inputs: [],
      outputs: [{ name: output, dtype: 'float32', shape: undefined }],
      initializers,
    })
    const opsets = new Map([['', this.#opset], ...(node.domain === '' ? [] : [[node.domain, 1] as const])])
    const tensor = (await this.#evaluate({ irVersion: 10, opsets, graph: part })).get(output)!
    const name = graph.addConstant(`${node.inputs[0]}/values`, constant(tensor.dtype, tensor.shape, tensor.data.slice()))
    this.notes.add(
      'stored in a type or in blocks that int8 kernels do not take: its values are kept, its codes are made anew',
      node.inputs[0]!,
    )
    this.#bypass(node, name)
  }

  #activation({ node, input, output, takes, gives }: FoundQuantizer): void {
    const graph = this.#graph
    const { affine, cut, note }: ActivationGrid = activationGrid(gives)
    if (note !== undefined) this.notes.add(note, input)
    const added: Node[] = []
    let value = input
    const add = (opType: string, operands: readonly string[]) => {
      const made = graph.uniqueName(`${node.name}/${opType}`)
      added.push(makeNode({ name: made, opType, inputs: [value, ...operands], outputs: [made] }))
      value = made
    }
    const number = (base: string, of: number) => graph.addConstant(`${node.name}/${base}`, scalar('float32', Float32Array.of(of)))
    if (!sameGrid(takes, gives)) {
      // y = s2 * (round(x / s1) + z1 - z2) is a plain quantizer (s2, z2) behind x * s2 / s1 + s2 * (z1 - z2).
      const scale = gives.scales[0]!
      add('Mul', [number('factor', scale / takes.scales[0]!)])
      add('Add', [number('summand', scale * (takes.zeroPoints[0]! - gives.zeroPoints[0]!))])
      this.notes.add('its codes are taken for other values than they were made of: a scale and shift in front of a plain quantizer', input)
    }
    const ends = cut ?? this.#actsAsRelu(affine, input)
    if (ends !== undefined) add('Clip', [number('low', ends.low), number('high', ends.high)])
    if (affine.zeroPoint === 0) this.#nonNegative.add(output)
    const name = graph.uniqueName(`${node.name}/quantizer`)
    added.push(makeNode({ name, opType: 'FakeQuantize', inputs: [value], outputs: [output] }))
    this.activations.set(name, affine)
    this.#replaced.set(node, added)
  }

  /**
   * The range of a quantizer from zero up, where values below zero reach it: other tools leave out the Relu or Clip that its saturation stands for, and without
   * it the float model would be another one. It folds into the operator before it.
   */
  #actsAsRelu(affine: Affine, input: string): Range | undefined {
    const isGraphInput = this.#graph.producer(input) === undefined
    return affine.zeroPoint !== 0 || isGraphInput || isNonNegative(this.#graph, input, this.#nonNegative) ? undefined : rangeOf(affine)
  }

  #bypass(node: Node, name: string): void {
    const output = node.outputs[0]!
    if (this.#graph.isOutput(output)) {
      this.#replaced.set(node, [makeNode({ name: node.name, opType: 'Identity', inputs: [name], outputs: [output] })])
      return
    }
    this.#replaced.set(node, [])
    this.#reads.set(output, name)
  }
}

interface ConstantFields {
  readonly node: Node
  readonly input: string
  readonly values: Float32Array
  readonly shape: readonly number[]
  readonly codes: WeightCodes | undefined
}
