import type { Engine } from '../../engines/engine.js'
import { QuantdError } from '../../errors.js'
import type { Model } from '../../graph/graph.js'
import { int, makeNode, type Node } from '../../graph/node.js'
import { writeModel } from '../../graph/onnx/write.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Shapes } from '../placement/shapes.js'
import { floatValues } from './float-values.js'

export interface MeasureShapesOptions {
  readonly model: Model
  /** Inputs of each run. */
  readonly feeds: readonly Readonly<Record<string, Tensor>>[]
  readonly engine: Engine
}

/**
 * Shapes of all float values of `model` at each of `feeds`, asked of the engine in one run each: Shape behind every value, ranks and sizes in two vectors.
 * Declared shapes would not do: sizes may be free, and what they become often hangs on arithmetic inside the graph. A run that fails gives undefined: a model
 * may not take several samples at once, whatever its inputs say.
 */
export async function measureShapes({ model, feeds, engine }: MeasureShapesOptions): Promise<(Shapes | undefined)[]> {
  const graph = model.graph.clone()
  const values = floatValues(graph)
  if (values.length === 0) return feeds.map(() => new Map())
  const nodes: Node[] = []
  const name = (base: string) => graph.uniqueName(`quantd/${base}`)
  const add = (opType: string, inputs: readonly string[], attributes = {}) => {
    const output = name(opType)
    nodes.push(makeNode({ name: output, opType, inputs, outputs: [output], attributes }))
    return output
  }
  const shapes = values.map(value => add('Shape', [value]))
  const ranks = add(
    'Concat',
    shapes.map(shape => add('Shape', [shape])),
    { axis: int(0) },
  )
  const sizes = add('Concat', shapes, { axis: int(0) })
  graph.setNodes([...graph.nodes, ...nodes])
  graph.setOutputs([ranks, sizes].map(output => ({ name: output, dtype: 'int64', shape: [undefined] })))
  const session = await engine.open(writeModel({ ...model, graph }), { threads: 1, optimization: 'disabled' })
  try {
    const measured: (Shapes | undefined)[] = []
    for (const feed of feeds) {
      const result = await session.infer(feed).catch(error => {
        if (feed === feeds[0] || !(error instanceof QuantdError)) throw error
        return undefined
      })
      measured.push(result && readShapes(values, Array.from(result[ranks]!.data, Number), Array.from(result[sizes]!.data, Number)))
    }
    return measured
  } finally {
    await session.close()
  }
}

function readShapes(values: readonly string[], ranks: readonly number[], sizes: readonly number[]): Shapes {
  const shapes = new Map<string, readonly number[]>()
  let at = 0
  values.forEach((value, index) => {
    const rank = ranks[index]!
    shapes.set(value, sizes.slice(at, at + rank))
    at += rank
  })
  return shapes
}
