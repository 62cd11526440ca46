import type { Graph, Model } from '../graph/graph.js'
import type { DeviceSpec } from '../hardware/device-spec.js'
import { emulateFakeQuantize } from './lowering/fake-quantize/emulate-fake-quantize.js'
import { insertFakeQuantize } from './lowering/fake-quantize/insert-fake-quantize.js'
import { type LowerOptions, lower } from './lowering/lower.js'
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

/** What the kind of a device spec decides: where quantizers stand and what they are written as. The same for every candidate of one quantization. */
export interface Target {
  place(graph: Graph, shapes: Shapes, keepFloat: ReadonlyMap<string, string>): Placement
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
      place: (graph, shapes, keepFloat) => placeOpenvino({ graph, shapes, keepFloat, spec }),
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
    place: (graph, shapes, keepFloat) => place({ graph, shapes, keepFloat, ops, weightRange }),
    lower: options => {
      const result = lower(options)
      return { result, evaluated: result }
    },
  }
}
