/** Something of this host that computes. `id` is stable across restarts: cpu0, gpu0, vpu-1-2.3 (bus and port path). */
export interface Device {
  readonly id: string
  readonly kind: 'cpu' | 'openvino' | 'webgpu' | 'vpu'
  readonly name: string
  readonly vendor: string
  readonly state: 'ready' | 'busy' | 'faulty' | 'absent'
  /** Name of the `devices/*.json` file that it follows; undefined = reported, not used. */
  readonly target: string | undefined
  /** One sentence: why this state, why not served. */
  readonly why: string
  /** cpu: instruction sets as /proc/cpuinfo names them (avx2, avx512_vnni, amx_int8, asimddp, i8mm); gpu: features; vpu: none. */
  readonly features: readonly string[]
  /** Facts worth showing: cores, memory in MiB, limits, USB ids and path, driver. Plain JSON. */
  readonly facts: Readonly<Record<string, string | number | boolean>>
}
