import { matchesDevice } from '../../hardware/device-pattern.js'
import { rowName } from '../../quantization/report/choice-sentence.js'
import type { ChoiceEntry } from '../../quantization/report/report.js'
import type { Precision, ServingDevice } from '../models/serving-devices.js'

/**
 * A form in which a model may be served: quantized for a device, that once more with what stays float in another type, its float on an engine of its own, or its
 * float as our passes leave it, where the reference runs that as another graph.
 */
export type CandidateForm =
  | { readonly kind: 'int8'; readonly serving: ServingDevice; readonly precision?: 'bfloat16' }
  | { readonly kind: 'float'; readonly serving: ServingDevice; readonly precision: Precision }
  | { readonly kind: 'prepared'; readonly serving: ServingDevice; readonly precision: 'float32' }

export interface FormsWanted {
  /** Device ids or patterns. */
  readonly patterns: readonly string[]
  /** 'int8' alone where nothing could be judged: float in another form would stay unjudged. */
  readonly kinds: 'all' | 'int8'
}

/** Every form that the serving devices take, the reference and its int8 first. @param devices the reference first */
export function candidateForms(devices: readonly ServingDevice[], { patterns, kinds }: FormsWanted): readonly CandidateForm[] {
  const [reference] = devices
  const wanted = devices.filter(({ device }) => patterns.some(pattern => matchesDevice(pattern, device.id)))
  return wanted.flatMap(serving => {
    const int8: readonly CandidateForm[] = serving.spec.precision === 'int8' ? [{ kind: 'int8', serving }] : []
    const mixed: readonly CandidateForm[] =
      int8.length > 0 && serving.precisions.includes('bfloat16') ? [{ kind: 'int8', serving, precision: 'bfloat16' }] : []
    const floats = serving.precisions.map((precision): CandidateForm => ({ kind: 'float', serving, precision }))
    const prepared: readonly CandidateForm[] = serving === reference ? [{ kind: 'prepared', serving, precision: 'float32' }] : []
    return kinds === 'all' ? [...int8, ...mixed, ...floats, ...prepared] : int8
  })
}

/** How tables name its types: int8, int8+bfloat16, float32. */
export function formPrecision({ kind, precision }: { readonly kind: CandidateForm['kind']; readonly precision?: Precision }) {
  if (kind !== 'int8') return precision ?? 'float32'
  return precision === undefined ? 'int8' : (`int8+${precision}` as const)
}

/** Its columns of the table that do not depend on how it does. */
export function formIdentity(form: CandidateForm): Pick<ChoiceEntry, 'device' | 'engine' | 'precision' | 'prepared'> {
  const { device, engine } = form.serving
  const prepared = form.kind === 'prepared' ? { prepared: true } : {}
  return { device: device.id, engine: engine.name, precision: formPrecision(form), ...prepared }
}

/** As logs and sentences name it: int8 on onnxruntime, bfloat16 on openvino. */
export const formName = (form: CandidateForm): string => rowName(formIdentity(form))
