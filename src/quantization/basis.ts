import type { Graph, Model } from '../graph/graph.js'
import { isOp, type Node } from '../graph/node.js'
import type { DeviceSpec } from '../hardware/device-spec.js'
import type { SampleSource } from '../samples/sample.js'
import type { FloatChange } from './algorithms/float-algorithm.js'
import type { QuantizeRequest } from './contract.js'
import type { GivenQuantizers } from './placement/given-quantizers.js'
import { opClass } from './placement/openvino/op-classes.js'
import type { Placement, Quantizer } from './placement/placement.js'
import type { Shapes } from './placement/shapes.js'
import { rangeEstimator } from './ranges/catalog.js'
import type { QuantizeSettings } from './settings.js'
import { floatValues } from './statistics/float-values.js'
import { measureShapes } from './statistics/measure-shapes.js'
import { observe } from './statistics/observe.js'
import type { ChannelMeans, ChannelWanted, Statistics, StatisticsWanted } from './statistics/statistics.js'
import { targetOf } from './target.js'

/** What float algorithms made of the model, in order. */
export interface AppliedAlgorithm {
  readonly name: string
  readonly changes: readonly FloatChange[]
}

/** A float model that candidates are made of, as it was prepared or after float algorithms, with what was observed of it. */
export interface Basis {
  readonly model: Model
  /** At one sample; rebalancing changes no shape of a value that was there before. */
  readonly shapes: Shapes
  readonly statistics: Statistics
  /** Those that `statistics` are of, in order. */
  readonly samples: SampleSource
  readonly applied: readonly AppliedAlgorithm[]
}

/** How a basis is observed; the same for all of one quantization. */
export interface ObserveBasis {
  readonly request: QuantizeRequest
  readonly keepFloat: ReadonlyMap<string, string>
  readonly weightRange: 'full' | 'half'
  readonly sampleCount: number
  /** Samples per run (`batchSize`). */
  readonly batch: number
  /** Quantizers that the model brought along; absent = none. */
  readonly given?: GivenQuantizers
}

export interface ObserveBasisOptions extends ObserveBasis {
  readonly applied: readonly AppliedAlgorithm[]
  /** Values whose channels a float algorithm looks at; in place of everything else, which a trial of it does not need. */
  readonly channels?: readonly ChannelWanted[]
  /** Shapes of the model that this one was made of: they hold, and are measured only where it has values that one had not. */
  readonly before?: Shapes
}

/** `model` with the shapes of its values and what one pass over the samples shows of them. */
export async function observeBasis(model: Model, { applied, channels, before, ...options }: ObserveBasisOptions): Promise<Basis> {
  const { request, sampleCount, batch } = options
  const { samples, engine, settings, signal } = request
  const { inputs } = await samples.read(0)
  const isKnown = before !== undefined && floatValues(model.graph).every(value => before.has(value))
  const shapes = isKnown ? before : (await measureShapes({ model, feeds: [inputs], engine }))[0]
  const wanted: StatisticsWanted =
    channels === undefined
      ? statisticsWanted(model, shapes!, options)
      : { ranges: [], nonNegative: new Set(), reducers: [], quantile: 0, means: [], channels }
  const { statistics } = await observe({
    model,
    shapes: shapes!,
    samples,
    sampleCount,
    batch,
    wanted,
    engine,
    threads: settings.threads,
    reference: { output: model.graph.outputs[0]!.name, count: 0 },
    ...(signal === undefined ? {} : { signal }),
  })
  return { model, shapes: shapes!, statistics, samples, applied }
}

/**
 * Everything that the candidates of a basis need to know of its activations: ranges behind every quantizer and channel means for bias
 * correction.
 */
export function statisticsWanted(
  model: Model,
  shapes: Shapes,
  { request, keepFloat, weightRange, given }: Pick<ObserveBasis, 'request' | 'keepFloat' | 'weightRange' | 'given'>,
): StatisticsWanted {
  const { spec, settings } = request
  const target = targetOf({ spec, weightRange })
  const placement = target.place({ graph: model.graph, shapes, keepFloat, ...(given === undefined ? {} : { given }) })
  const wanted = ofPlacement(placement, { shapes, settings, given })
  if (target.evaluation === 'native') return wanted
  const channels = [...(wanted.channels ?? []), ...channelsOfReaders(model.graph, spec)]
  return { ...wanted, ranges: withAllInputs(model.graph, shapes, wanted.ranges), channels: unique(channels) }
}

/** Inputs of what takes a range per channel: another reader of the same value that is kept float leaves the quantizer to it alone. */
function channelsOfReaders(graph: Graph, { ops, quantizers }: DeviceSpec): ChannelWanted[] {
  const takes = (node: Node) => ops[opClass(graph, node)]?.activations?.some(name => quantizers[name]?.granularity === 'per-channel')
  return graph.nodes.filter(takes).map(({ inputs }) => ({ value: inputs[0]!, axis: 1 }))
}

const unique = (channels: readonly ChannelWanted[]): ChannelWanted[] => [
  ...new Map(channels.map(channel => [`${channel.axis} ${channel.value}`, channel])).values(),
]

/**
 * Where quantizers stand on the inputs of operators, an operator that is kept float moves them: to any value that another one reads. Those of ONNX Runtime stand
 * behind what computes, whatever reads it.
 */
function withAllInputs({ nodes }: Graph, shapes: Shapes, ranges: readonly string[]): readonly string[] {
  return [...new Set([...ranges, ...nodes.flatMap(({ inputs }) => inputs.filter(value => shapes.has(value)))])]
}

/**
 * Ranges behind every quantizer whose range is not known, also where it follows from another one: when an operator before it is kept float, its own range is
 * needed; channel means of what every linear operator reads.
 */
function ofPlacement(
  { quantizers, units, observed = [] }: Placement,
  { shapes, settings, given }: { shapes: Shapes; settings: QuantizeSettings; given: GivenQuantizers | undefined },
): StatisticsWanted {
  const isKnown = ({ value, fixed, given: brought }: Quantizer) =>
    fixed !== undefined && (brought !== true || given?.activations.has(value) === true)
  const unknown = [...quantizers.values()].filter(quantizer => !isKnown(quantizer))
  const ranges = [...unknown.map(({ value }) => value), ...observed]
  const means = new Map<string, ChannelMeans>()
  for (const { form, main, data } of units.values()) {
    if (form !== 'linear' || settings.bias_correction === 'off') continue
    const value = data[0]!
    means.set(value, { value, axis: isOp(main, 'Conv', 'ConvTranspose') ? 1 : shapes.get(value)!.length - 1 })
  }
  return {
    ranges,
    nonNegative: new Set(ranges.filter(value => quantizers.get(value)?.clip?.low === 0)),
    // Inputs of the model keep their extremes, whatever the estimator.
    reducers: needsQuantiles(settings) ? ['extremes', 'quantile'] : ['extremes'],
    quantile: settings.quantile,
    aggregation: settings.aggregation,
    means: [...means.values()],
    channels: unknown.flatMap(({ value, axis }) => (axis === undefined ? [] : [{ value, axis }])),
  }
}

/** `auto` looks at them when it comes to their estimators (`observeQuantiles`): they cost more than everything else that is observed. */
const needsQuantiles = ({ range_estimator }: QuantizeSettings): boolean =>
  range_estimator !== 'auto' && rangeEstimator(range_estimator).needs === 'quantile'
