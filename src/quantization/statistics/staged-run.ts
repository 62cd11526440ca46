import type { Engine } from '../../engines/engine.js'
import { invariant, QuantdError } from '../../errors.js'
import { Graph, type Model, readsOf } from '../../graph/graph.js'
import type { Node } from '../../graph/node.js'
import { writeModel } from '../../graph/onnx/write.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import { floatValues } from './float-values.js'

export type Feed = Readonly<Record<string, Tensor>>

export interface StagedRunOptions {
  /** Its graph may be edited between two calls of `valuesOf`, behind what was computed. */
  readonly model: Model
  /** Inputs of the runs: one sample each, or several stacked. */
  readonly feeds: readonly Feed[]
  /** Every value that will be asked for, in graph order. */
  readonly targets: readonly string[]
  readonly engine: Engine
  readonly threads: number
  readonly signal?: AbortSignal
}

/**
 * A model run up to one value after the other, over the same few samples: each operator runs once, and what was computed stays in memory only as long as a
 * value that is still to be asked for needs it. Operators on other types than float (arithmetic on shapes) run again where they are needed again.
 */
export class StagedRun {
  readonly #options: StagedRunOptions
  readonly #known: ReadonlyMap<string, Tensor[]>
  readonly #stored: Map<string, Tensor[]>
  readonly #targets: Set<string>

  constructor(options: StagedRunOptions) {
    this.#options = options
    this.#targets = new Set(options.targets)
    const names = Object.keys(options.feeds[0] ?? {})
    this.#known = new Map(names.map(name => [name, options.feeds.map(feed => feed[name]!)]))
    this.#stored = new Map()
  }

  get graph(): Graph {
    return this.#options.model.graph
  }

  /** `target` for each of the feeds. @throws ERR_ABORTED, ERR_ENGINE_* */
  async valuesOf(target: string): Promise<readonly Tensor[]> {
    const stored = this.#at(target)
    if (stored !== undefined) return stored
    const nodes = this.#nodesFor([target])
    const later = [...this.#nodesFor([...this.#targets])].filter(node => !nodes.has(node))
    const readLater = new Set(later.flatMap(readsOf))
    const floats = new Set(floatValues(this.graph))
    const made = [...nodes].flatMap(node => node.outputs.filter(output => output !== ''))
    const kept = made.filter(value => value === target || (floats.has(value) && (readLater.has(value) || this.#targets.has(value))))
    for (const [value, tensors] of await this.#run([...nodes], kept)) this.#stored.set(value, tensors)
    this.#prune()
    const values = this.#at(target)
    invariant(values !== undefined, `value '${target}' was not computed`)
    return values
  }

  /** `target` will not be asked for again. */
  release(target: string): void {
    this.#targets.delete(target)
    this.#prune()
  }

  #at(value: string): Tensor[] | undefined {
    return this.#stored.get(value) ?? this.#known.get(value)
  }

  /** Operators between what is stored and `values`, in graph order. */
  #nodesFor(values: readonly string[], onStored?: (value: string) => void): ReadonlySet<Node> {
    const found = new Set<Node>()
    const seen = new Set<string>()
    const open = [...values]
    for (let value = open.pop(); value !== undefined; value = open.pop()) {
      if (seen.has(value)) continue
      seen.add(value)
      if (this.#stored.has(value)) {
        onStored?.(value)
        continue
      }
      const node = this.graph.producer(value)
      if (node === undefined) continue
      found.add(node)
      open.push(...readsOf(node))
    }
    return new Set(this.graph.nodes.filter(node => found.has(node)))
  }

  #prune(): void {
    const needed = new Set<string>()
    this.#nodesFor([...this.#targets], value => needed.add(value))
    for (const value of this.#stored.keys()) if (!needed.has(value)) this.#stored.delete(value)
  }

  async #run(nodes: readonly Node[], kept: readonly string[]): Promise<Map<string, Tensor[]>> {
    const { model, feeds, engine, threads, signal } = this.#options
    const made = new Set(nodes.flatMap(({ outputs }) => outputs))
    const reads = [...new Set(nodes.flatMap(readsOf))].filter(value => !made.has(value))
    const entering = reads.filter(value => this.#at(value) !== undefined)
    const graph = new Graph({
      name: 'stage',
      nodes,
      inputs: entering.map(name => ({ name, dtype: this.#at(name)![0]!.dtype, shape: undefined })),
      outputs: kept.map(name => ({ name, dtype: 'float32', shape: undefined })),
      initializers: new Map(reads.flatMap(name => (this.graph.constant(name) === undefined ? [] : [[name, this.graph.constant(name)!]]))),
      opaqueConstants: this.graph.opaqueConstants,
    })
    const session = await engine.open(writeModel({ ...model, graph }), { threads, optimization: 'basic' })
    const results = new Map(kept.map(value => [value, [] as Tensor[]]))
    try {
      for (let at = 0; at < feeds.length; at += 1) {
        if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'quantization aborted', { cause: signal.reason })
        const answers = await session.infer(Object.fromEntries(entering.map(name => [name, this.#at(name)![at]!])), kept)
        for (const [value, tensors] of results) tensors.push(answers[value]!)
      }
    } finally {
      await session.close()
    }
    return results
  }
}
