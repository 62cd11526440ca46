/**
 * The instruction sets that decide how a model is quantized or how fast it runs, as /proc/cpuinfo names them, and where else the kernel tells of them.
 * x64: number of the feature in /sys/devices/system/cpu/modalias (word * 32 + bit, Linux arch/x86/include/asm/cpufeatures.h).
 */
export const x64FeatureNumbers: Readonly<Record<string, number>> = {
  ssse3: 4 * 32 + 9,
  fma: 4 * 32 + 12,
  sse4_1: 4 * 32 + 19,
  sse4_2: 4 * 32 + 20,
  avx: 4 * 32 + 28,
  f16c: 4 * 32 + 29,
  avx2: 9 * 32 + 5,
  avx512f: 9 * 32 + 16,
  avx512dq: 9 * 32 + 17,
  avx512bw: 9 * 32 + 30,
  avx512vl: 9 * 32 + 31,
  avx_vnni: 12 * 32 + 4,
  avx512_bf16: 12 * 32 + 5,
  avx512_vnni: 16 * 32 + 11,
  amx_bf16: 18 * 32 + 22,
  avx512_fp16: 18 * 32 + 23,
  amx_tile: 18 * 32 + 24,
  amx_int8: 18 * 32 + 25,
}

/** arm64: [entry of the auxiliary vector (16 = AT_HWCAP, 26 = AT_HWCAP2), bit] (Linux arch/arm64/include/uapi/asm/hwcap.h). */
export const arm64FeatureBits: Readonly<Record<string, readonly [entry: 16 | 26, bit: number]>> = {
  asimd: [16, 1],
  fphp: [16, 9],
  asimdhp: [16, 10],
  asimddp: [16, 20],
  sve: [16, 22],
  sve2: [26, 1],
  i8mm: [26, 13],
  bf16: [26, 14],
}

/** Instruction sets in a text of /proc/cpuinfo (`flags` on x64, `Features` on arm64), sorted; undefined when it has no such line. */
export function featuresOfCpuinfo(cpuinfo: string, architecture: string): readonly string[] | undefined {
  const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]
  if (line === undefined) return undefined
  const present = new Set(line.split(/\s+/))
  const known = Object.keys(architecture === 'arm64' ? arm64FeatureBits : x64FeatureNumbers)
  return known.filter(name => present.has(name)).sort()
}

/** The same from `cpu:type:x86,ven0000fam0006mod00A7:feature:,0000,0001,...`. */
export function featuresOfModalias(modalias: string): readonly string[] | undefined {
  const list = /^cpu:type:x86,.*:feature:,([0-9A-F,]+)/.exec(modalias)?.[1]
  if (list === undefined) return undefined
  const present = new Set(list.split(',').map(hex => Number.parseInt(hex, 16)))
  return Object.entries(x64FeatureNumbers)
    .filter(([, number]) => present.has(number))
    .map(([name]) => name)
    .sort()
}

/** The same from /proc/self/auxv of a 64-bit little-endian process: pairs of u64 (entry, value). arm64 only: x64 keeps other facts there. */
export function featuresOfAuxv(auxv: Uint8Array): readonly string[] | undefined {
  const view = new DataView(auxv.buffer, auxv.byteOffset, auxv.byteLength)
  const values = new Map<number, bigint>()
  for (let at = 0; at + 16 <= auxv.byteLength; at += 16) {
    values.set(Number(view.getBigUint64(at, true)), view.getBigUint64(at + 8, true))
  }
  if (!values.has(16)) return undefined
  return Object.entries(arm64FeatureBits)
    .filter(([, [entry, bit]]) => (((values.get(entry) ?? 0n) >> BigInt(bit)) & 1n) === 1n)
    .map(([name]) => name)
    .sort()
}
