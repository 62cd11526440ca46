import { zipSync } from 'fflate'
import { QuantdError } from '../errors.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import { formatNpyHeader, npyDescr } from './npy.js'

/** Bytes of one `.npy`. @throws ERR_SAMPLES_DTYPE for types that NumPy has no name for (bfloat16, float8) */
export function formatNpy({ dtype, shape, data }: Tensor): Uint8Array {
  const descr = npyDescr(dtype)
  if (descr === undefined) throw new QuantdError('ERR_SAMPLES_DTYPE', `NumPy has no type for ${dtype}`)
  const header = formatNpyHeader(descr, shape)
  const bytes = new Uint8Array(header.length + data.byteLength)
  bytes.set(header)
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), header.length)
  return bytes
}

/** Bytes of a `.npz` as np.savez writes it: stored by default, deflated when asked; dates fixed, so that the same arrays give the same bytes. */
export function formatNpz(
  arrays: Readonly<Record<string, Tensor>>,
  { compress = 'stored' }: { readonly compress?: 'stored' | 'deflated' } = {},
): Uint8Array {
  const files = Object.entries(arrays).map(([name, tensor]) => [`${name}.npy`, formatNpy(tensor)] as const)
  return zipSync(Object.fromEntries(files), { level: compress === 'stored' ? 0 : 6, mtime: new Date(1980, 0, 1) })
}
