import type { Model } from '../graph/graph.js'
import type { DeviceSpec } from '../hardware/device-spec.js'
import { once } from '../once.js'
import { emulateQuantizers } from './lowering/fake-quantize/emulate-quantizers.js'
import { insertFakeQuantize } from './lowering/fake-quantize/insert-fake-quantize.js'
import { toFloat16 } from './lowering/float16/to-float16.js'
import { type LowerOptions, lower } from './lowering/lower.js'
import { placeFloat16 } from './placement/float16/place-float16.js'
import { placeOpenvino } from './placement/openvino/place-openvino.js'
import { type PlaceOptions, place } from './placement/place.js'
import type { Placement } from './placement/placement.js'

export interface Lowered {
  /** What is written and served. */
  readonly result: Model
  /** What ONNX Runtime runs to tell what the target will answer, made when it is asked for; `result` itself where ONNX Runtime runs that. */
  readonly evaluated: () => Model
}

/** A graph with what is known of it; what the spec says is the target's own. */
export type TargetPlacing = Omit<PlaceOptions, 'ops' | 'weightRange'>

/** What the kind of a device spec decides: where quantizers stand and what they are written as. The same for every candidate of one quantization. */
export interface Target {
  place(options: TargetPlacing): Placement
  lower(options: LowerOptions): Lowered
  /** Steps that activations and weights may have (`assignParameters`, `quantizeWeights`). */
  readonly scales: DeviceSpec['scales']
  /** `emulated`: integer kernels are the target's own; those of ONNX Runtime say nothing of it. */
  readonly evaluation: 'native' | 'emulated'
  /** Files that the result is offered as; `ir`: besides the ONNX form, and what is served. */
  readonly files: 'onnx' | 'ir'
}

export interface TargetOptions {
  readonly spec: DeviceSpec
  readonly weightRange: 'full' | 'half'
}

export function targetOf({ spec, weightRange }: TargetOptions): Target {
  if (spec.precision === 'float16') return float16Target(spec)
  return spec.placement === 'openvino' ? openvinoTarget(spec) : onnxruntimeTarget(spec, weightRange)
}

function onnxruntimeTarget({ ops, scales, engine }: DeviceSpec, weightRange: 'full' | 'half'): Target {
  const names = new Set(Object.keys(ops))
  return {
    scales,
    evaluation: engine === null ? 'emulated' : 'native',
    files: 'onnx',
    place: options => place({ ...options, ops: names, weightRange }),
    lower: options => {
      const result = lower(options)
      return { result, evaluated: () => result }
    },
  }
}

function openvinoTarget(spec: DeviceSpec): Target {
  const { scales } = spec
  return {
    scales,
    evaluation: 'emulated',
    files: 'ir',
    place: ({ graph, shapes, keepFloat, given }) =>
      placeOpenvino({ graph, shapes, keepFloat, spec, ...(given === undefined ? {} : { given }) }),
    lower: options => {
      const result = insertFakeQuantize({ ...options, scales })
      return { result, evaluated: once(() => emulateQuantizers(result)) }
    },
  }
}

function float16Target({ scales }: DeviceSpec): Target {
  return {
    scales,
    evaluation: 'emulated',
    files: 'onnx',
    place: ({ graph, shapes }) => placeFloat16(graph, shapes),
    lower: ({ model }) => {
      const result = toFloat16(model)
      return { result, evaluated: () => result }
    },
  }
}
