import type { OpenOptions } from '../engine.js'
import type { Core } from './core.js'

/** Properties of OpenVINO by name. */
export type Properties = Readonly<Record<string, string>>

/** Precision hints by our names of types. */
const precisions = { float32: 'f32', bfloat16: 'bf16', float16: 'f16' } as const

/**
 * What a model is compiled with, of what the device takes: releases and plugins differ (an NPU and a stick compute in one type alone, older plugins know fewer
 * hints), and one that is not known fails the whole. Counting kernels is asked for all the same, since its absence would be taken for none.
 */
export function propertiesOf(core: Core, options: OpenOptions): Properties {
  const { threads, device = 'CPU', precision = 'float32', hint = 'latency', profile = false } = options
  const supported = listOf(core, device, 'SUPPORTED_PROPERTIES')
  const wanted: Properties = {
    PERFORMANCE_HINT: hint.toUpperCase(),
    ...(device === 'CPU' ? { INFERENCE_NUM_THREADS: String(threads) } : {}),
    ...(hasChoice(core, device) ? { INFERENCE_PRECISION_HINT: precisions[precision] } : {}),
  }
  return {
    ...Object.fromEntries(Object.entries(wanted).filter(([name]) => supported === undefined || supported.includes(name))),
    ...(profile ? { PERF_COUNT: 'YES' } : {}),
  }
}

/** Whether the device computes in float32, so that anything else has to be asked for. */
function hasChoice(core: Core, device: string): boolean {
  return listOf(core, device, 'OPTIMIZATION_CAPABILITIES')?.includes('FP32') ?? true
}

/** Words of a property; undefined for a device that is not there: compiling says so in OpenVINO's own words. */
function listOf({ library, pointer }: Core, device: string, property: string): readonly string[] | undefined {
  try {
    return library.out<string>('ov_core_get_property', pointer, device, property).split(' ')
  } catch {
    return undefined
  }
}
