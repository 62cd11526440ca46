import type { Engine } from '../../engines/engine.js'
import { QuantdError } from '../../errors.js'
import type { Model } from '../../graph/graph.js'
import { int, makeNode, type Node } from '../../graph/node.js'
import { writeModel } from '../../graph/onnx/write.js'
import { constant, scalar } from '../../graph/tensor/tensor.js'
import type { SampleSource } from '../../samples/sample.js'
import type { Affine, Range } from '../ranges/affine.js'

/** Quantizers to try behind one value. */
export interface RangeTrials {
  readonly value: string
  /** What lies outside costs nothing: an activation or the reader cuts it off anyway. */
  readonly clip: Range | undefined
  readonly trials: readonly Affine[]
}

export interface MeasureRangeErrorsOptions {
  readonly model: Model
  readonly values: readonly RangeTrials[]
  readonly samples: SampleSource
  readonly sampleCount: number
  readonly engine: Engine
  readonly threads: number
  readonly signal?: AbortSignal
}

/**
 * Sum of squared errors that each trial leaves in its value, over the first samples: quantized and dequantized inside the engine, beside the float graph, so
 * that one number per trial leaves it.
 * @throws ERR_ABORTED
 */
export async function measureRangeErrors(options: MeasureRangeErrorsOptions): Promise<Map<string, Float64Array>> {
  const { model, values, samples, sampleCount, engine, threads, signal } = options
  if (values.length === 0) return new Map()
  const { model: measured, output } = withTrials(model, values)
  const session = await engine.open(writeModel(measured), { threads, optimization: 'extended' })
  const errors = new Map(values.map(({ value, trials }) => [value, new Float64Array(trials.length)]))
  try {
    for (let index = 0; index < sampleCount; index += 1) {
      if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'quantization aborted', { cause: signal.reason })
      const { inputs } = await samples.read(index)
      const { data } = (await session.infer(inputs, [output]))[output]!
      let at = 0
      for (const sums of errors.values()) for (let trial = 0; trial < sums.length; trial += 1, at += 1) sums[trial]! += Number(data[at])
    }
  } finally {
    await session.close()
  }
  return errors
}

function withTrials(model: Model, values: readonly RangeTrials[]): { readonly model: Model; readonly output: string } {
  const graph = model.graph.clone()
  const nodes: Node[] = []
  const add = (opType: string, inputs: readonly string[], attributes = {}) => {
    const output = graph.uniqueName(`quantd/${opType}`)
    nodes.push(makeNode({ name: output, opType, inputs, outputs: [output], attributes }))
    return output
  }
  const number = (value: number) => graph.addConstant('quantd/number', scalar('float32', Float32Array.of(value)))
  const one = graph.addConstant('quantd/one', constant('int64', [1], BigInt64Array.of(1n)))
  const sums = values.flatMap(({ value, clip, trials }) => {
    const limits = clip === undefined ? [] : [clip.low, clip.high].map(limit => (Number.isFinite(limit) ? number(limit) : ''))
    const wanted = limits.length === 0 ? value : add('Clip', [value, ...limits])
    return trials.map(({ scale, zeroPoint }) => {
      const parameters = [number(scale), graph.addConstant('quantd/zero', scalar('uint8', Uint8Array.of(zeroPoint)))]
      const coded = add('DequantizeLinear', [add('QuantizeLinear', [wanted, ...parameters]), ...parameters])
      return add('Reshape', [add('ReduceSumSquare', [add('Sub', [wanted, coded])], { keepdims: int(0) }), one])
    })
  })
  const output = add('Concat', sums, { axis: int(0) })
  graph.setNodes([...graph.nodes, ...nodes])
  graph.setOutputs([{ name: output, dtype: 'float32', shape: [undefined] }])
  return { model: { ...model, graph }, output }
}
