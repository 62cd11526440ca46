import type { Graph, Model } from '../graph/graph.js'
import type { DeviceSpec } from '../hardware/device-spec.js'
import { emulateFakeQuantize } from './lowering/fake-quantize/emulate-fake-quantize.js'
import { insertFakeQuantize } from './lowering/fake-quantize/insert-fake-quantize.js'
import { type LowerOptions, lower } from './lowering/lower.js'
import type { GivenQuantizers } from './placement/given-quantizers.js'
import type { MeasuredCosts } from './placement/measured-costs.js'
import { placeOpenvino } from './placement/openvino/place-openvino.js'
import { place } from './placement/place.js'
import type { Placement } from './placement/placement.js'
import type { Shapes } from './placement/shapes.js'

export interface Lowered {
  /** What is written and served. */
  readonly result: Model
  /** What ONNX Runtime runs to tell what the target will answer; `result` itself where that is ONNX Runtime. */
  readonly evaluated: Model
}

export interface TargetPlacing {
  readonly graph: Graph
  readonly shapes: Shapes
  /** Nodes that stay float, by name, and why. */
  readonly keepFloat: ReadonlyMap<string, string>
  /** Quantizers that the model brought along; absent = none. */
  readonly given?: GivenQuantizers
  /** Times measured on ONNX Runtime; other engines do not look at them. */
  readonly costs?: MeasuredCosts
}

/** What the kind of a device spec decides: where quantizers stand and what they are written as. The same for every candidate of one quantization. */
export interface Target {
  place(options: TargetPlacing): Placement
  lower(options: LowerOptions): Lowered
  /** Steps that activations and weights may have (`assignParameters`, `quantizeWeights`). */
  readonly scales: DeviceSpec['scales']
  /** `emulated`: integer kernels are the target's own; those of ONNX Runtime say nothing of it. */
  readonly evaluation: 'native' | 'emulated'
}

export interface TargetOptions {
  readonly spec: DeviceSpec
  readonly weightRange: 'full' | 'half'
}

export function targetOf({ spec, weightRange }: TargetOptions): Target {
  const { scales } = spec
  if (spec.placement === 'openvino') {
    return {
      scales,
      evaluation: 'emulated',
      place: ({ costs: _, ...options }) => placeOpenvino({ ...options, spec }),
      lower: options => {
        const result = insertFakeQuantize({ ...options, scales })
        return { result, evaluated: emulateFakeQuantize(result) }
      },
    }
  }
  const ops = new Set(Object.keys(spec.ops))
  return {
    scales,
    evaluation: 'native',
    place: options => place({ ...options, ops, weightRange }),
    lower: options => {
      const result = lower(options)
      return { result, evaluated: result }
    },
  }
}
