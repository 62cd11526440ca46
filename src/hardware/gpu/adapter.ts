/** What the probe process found of one WebGPU adapter: one JSON line on its stdout holds a list of these. */
export interface Adapter {
  readonly vendor: string
  readonly architecture: string
  readonly device: string
  readonly description: string
  readonly backend: string
  /** Dawn calls it a fallback: no hardware behind it. */
  readonly fallback: boolean
  readonly features: readonly string[]
  readonly limits: Readonly<Record<string, number>>
}

/** Name of the WGSL language feature dot4I8Packed and friends (WGSL 4.1.2): four int8 products and their sum in one instruction. */
export const int8DotProduct = 'packed_4x8_integer_dot_product'

/** The limits that decide whether a model fits and how its kernels are cut. */
export const shownLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupStorageSize',
] as const
