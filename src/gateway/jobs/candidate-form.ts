import { matchesDevice } from '../../hardware/device-pattern.js'
import type { Precision, ServingDevice } from '../models/serving-devices.js'

/**
 * A form in which a model may be served: quantized for a device, that once more with what stays float in another type, or its float on an engine of its own.
 */
export type CandidateForm =
  | { readonly kind: 'int8'; readonly serving: ServingDevice; readonly precision?: 'bfloat16' }
  | { readonly kind: 'float'; readonly serving: ServingDevice; readonly precision: Precision }

export interface FormsWanted {
  /** Device ids or patterns. */
  readonly patterns: readonly string[]
  /** 'int8' alone where nothing could be judged: float on another engine would stay unjudged. */
  readonly kinds: 'all' | 'int8'
}

/** Every form that the serving devices take, the reference's int8 first. */
export function candidateForms(devices: readonly ServingDevice[], { patterns, kinds }: FormsWanted): readonly CandidateForm[] {
  const wanted = devices.filter(({ device }) => patterns.some(pattern => matchesDevice(pattern, device.id)))
  return wanted.flatMap(serving => {
    const int8: readonly CandidateForm[] = serving.spec.precision === 'int8' ? [{ kind: 'int8', serving }] : []
    const mixed: readonly CandidateForm[] =
      int8.length > 0 && serving.precisions.includes('bfloat16') ? [{ kind: 'int8', serving, precision: 'bfloat16' }] : []
    const floats = serving.precisions.map((precision): CandidateForm => ({ kind: 'float', serving, precision }))
    return kinds === 'all' ? [...int8, ...mixed, ...floats] : int8
  })
}

/** How tables name its types: int8, int8+bfloat16, float32. */
export function formPrecision({ kind, precision }: { readonly kind: CandidateForm['kind']; readonly precision?: Precision }) {
  if (kind === 'float') return precision ?? 'float32'
  return precision === undefined ? 'int8' : (`int8+${precision}` as const)
}

/** As logs and sentences name it: int8 on onnxruntime, bfloat16 on openvino. */
export const formName = (form: CandidateForm): string => `${formPrecision(form)} on ${form.serving.engine.name}`
