import { type ConstantTensor, constantData } from './tensor.js'

/** Values of a constant of 16 bits in float32, which holds all of them exactly. */
export function floatsOf(tensor: ConstantTensor & { readonly dtype: 'float16' | 'bfloat16' }): Float32Array {
  const patterns = constantData(tensor) as Uint16Array
  if (tensor.dtype === 'bfloat16') return new Float32Array(Uint32Array.from(patterns, pattern => pattern << 16).buffer)
  return Float32Array.from(patterns, fromHalf)
}

function fromHalf(pattern: number): number {
  const sign = pattern & 0x8000 ? -1 : 1
  const exponent = (pattern >> 10) & 0x1f
  const fraction = pattern & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
