import type { Engine, Session } from '../../engines/engine.js'
import { Graph, type Model, readsOf } from '../../graph/graph.js'
import { changeNode, int, isOp, makeNode, type Node } from '../../graph/node.js'
import { writeModel } from '../../graph/onnx/write.js'
import { constant } from '../../graph/tensor/tensor.js'
import type { Placement, Quantizer } from '../placement/placement.js'
import type { Affine } from '../ranges/affine.js'
import type { Feed } from '../statistics/staged-run.js'

/** The part of the float model between a quantizer and the results of the next products. */
export interface Slice {
  readonly value: string
  /** Operators that read the quantized form themselves; the others of `nodes` come behind them. */
  readonly readers: ReadonlySet<Node>
  readonly nodes: readonly Node[]
  /** What it reads: `value` first, then what other branches give. */
  readonly entering: readonly string[]
  readonly ends: readonly string[]
}

export function sliceBehind(graph: Graph, { units }: Placement, { value, at }: Quantizer): Slice {
  const readers = graph.consumers(value).filter(node => at === 'produced' || units.get(node)?.data.includes(value) === true)
  const found = new Set<Node>()
  const ends = new Set<string>(at === 'produced' && graph.isOutput(value) ? [value] : [])
  const open: Node[] = [...readers]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (found.has(node)) continue
    found.add(node)
    const unit = units.get(node)
    const isProduct = isOp(node, 'Conv', 'Gemm', 'MatMul', 'ConvTranspose', 'GRU', 'LSTM', 'RNN')
    const results = node.outputs.filter(output => output !== '')
    if (isProduct) {
      const folded = unit?.clip === undefined ? [] : unit.folded
      for (const behind of folded) found.add(behind)
      for (const result of folded.length > 0 ? unit!.outputs : results.slice(0, 1)) ends.add(result)
      continue
    }
    for (const result of results) {
      if (graph.isOutput(result)) ends.add(result)
      open.push(...graph.consumers(result))
    }
  }
  const nodes = graph.nodes.filter(node => found.has(node))
  const made = new Set(nodes.flatMap(({ outputs }) => outputs))
  const reads = [...new Set(nodes.flatMap(readsOf))].filter(read => read !== value && !made.has(read) && graph.constant(read) === undefined)
  return { value, readers: new Set(readers), nodes, entering: [value, ...reads], ends: [...ends] }
}

export interface OpenTrialsOptions {
  readonly model: Model
  readonly slice: Slice
  /** What the slice reads (`entering`), run by run. */
  readonly feeds: readonly Feed[]
  readonly engine: Engine
  readonly threads: number
}

/** A slice with its quantizer, whose parameters are inputs: one session for all trials. */
export class RangeTrials {
  readonly #session: Session
  readonly #feeds: readonly Feed[]
  readonly #energies: readonly number[]
  readonly #known = new Map<string, number>()

  private constructor(session: Session, feeds: readonly Feed[], energies: readonly number[]) {
    this.#session = session
    this.#feeds = feeds
    this.#energies = energies
  }

  static async open({ model, slice, feeds, engine, threads }: OpenTrialsOptions): Promise<RangeTrials> {
    const reference = {
      ...model,
      graph: withConstants(model.graph, { nodes: slice.nodes, inputs: slice.entering, outputs: slice.ends, feed: feeds[0]! }),
    }
    const plain = await engine.open(writeModel(reference), { threads, optimization: 'basic' })
    const energies = slice.ends.map(() => 0)
    const withReferences: Feed[] = []
    try {
      for (const feed of feeds) {
        const wanted = slice.ends.filter(end => end !== slice.value)
        const answers = { ...(wanted.length === 0 ? {} : await plain.infer(feed, wanted)), [slice.value]: feed[slice.value]! }
        slice.ends.forEach((end, at) => {
          for (const number of answers[end]!.data as Float32Array) energies[at]! += number ** 2
        })
        withReferences.push({ ...feed, ...Object.fromEntries(slice.ends.map(end => [`${end}/wanted`, answers[end]!])) })
      }
    } finally {
      await plain.close()
    }
    const session = await engine.open(writeModel({ ...model, graph: trialGraph(model.graph, slice, withReferences[0]!) }), {
      threads,
      optimization: 'basic',
    })
    return new RangeTrials(session, withReferences, energies)
  }

  /** Noise over signal at all ends together. */
  async errorOf({ scale, zeroPoint }: Affine): Promise<number> {
    const key = `${scale} ${zeroPoint}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const parameters: Feed = {
      'quantd/scale': { dtype: 'float32', shape: [], data: Float32Array.of(scale) },
      'quantd/zero': { dtype: 'uint8', shape: [], data: Uint8Array.of(zeroPoint) },
    }
    let error = 0
    for (const feed of this.#feeds) {
      const { data } = (await this.#session.infer({ ...feed, ...parameters }, ['quantd/errors']))['quantd/errors']!
      this.#energies.forEach((energy, at) => {
        error += Number(data[at]) / Math.max(energy, Number.MIN_VALUE)
      })
    }
    this.#known.set(key, error)
    return error
  }

  close(): Promise<void> {
    return this.#session.close()
  }
}

interface SliceGraph {
  readonly nodes: readonly Node[]
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly feed: Feed
}

function withConstants(graph: Graph, { nodes, inputs, outputs, feed }: SliceGraph): Graph {
  const reads = new Set(nodes.flatMap(readsOf))
  return new Graph({
    name: 'slice',
    nodes,
    inputs: inputs.map(name => ({ name, dtype: feed[name]!.dtype, shape: undefined })),
    outputs: outputs.map(name => ({ name, dtype: 'float32', shape: undefined })),
    initializers: new Map([...graph.initializers].filter(([name]) => reads.has(name))),
    opaqueConstants: graph.opaqueConstants,
  })
}

/** The slice behind a quantizer with fed parameters, and the sum of squared errors at each of its ends as one vector. */
function trialGraph(graph: Graph, { value, readers, nodes, entering, ends }: Slice, feed: Feed): Graph {
  const parameters = ['quantd/scale', 'quantd/zero']
  const coded = 'quantd/coded'
  const added: Node[] = [
    makeNode({ name: 'quantd/quantize', opType: 'QuantizeLinear', inputs: [value, ...parameters], outputs: ['quantd/codes'] }),
    makeNode({ name: 'quantd/dequantize', opType: 'DequantizeLinear', inputs: ['quantd/codes', ...parameters], outputs: [coded] }),
    ...nodes.map(node =>
      readers.has(node) ? changeNode(node, { inputs: node.inputs.map(input => (input === value ? coded : input)) }) : node,
    ),
  ]
  const sums = ends.map((end, at) => {
    const found = end === value ? coded : end
    const [difference, sum, vector] = [`quantd/difference/${at}`, `quantd/sum/${at}`, `quantd/vector/${at}`] as const
    added.push(
      makeNode({ name: difference, opType: 'Sub', inputs: [found, `${end}/wanted`], outputs: [difference] }),
      makeNode({ name: sum, opType: 'ReduceSumSquare', inputs: [difference], outputs: [sum], attributes: { keepdims: int(0) } }),
      makeNode({ name: vector, opType: 'Reshape', inputs: [sum, 'quantd/one'], outputs: [vector] }),
    )
    return vector
  })
  added.push(makeNode({ name: 'quantd/errors', opType: 'Concat', inputs: sums, outputs: ['quantd/errors'], attributes: { axis: int(0) } }))
  const inputs = [...entering, ...ends.map(end => `${end}/wanted`)]
  const trial = withConstants(graph, { nodes: added, inputs, outputs: ['quantd/errors'], feed })
  trial.inputs = [
    ...trial.inputs,
    { name: 'quantd/scale', dtype: 'float32', shape: [] },
    { name: 'quantd/zero', dtype: 'uint8', shape: [] },
  ]
  trial.initializers.set('quantd/one', constant('int64', [1], BigInt64Array.of(1n)))
  return trial
}
