import { type Grid, widestRange } from '../../graph/fake-quantize/grid.js'
import type { Affine, Range } from '../ranges/affine.js'
import { affineOf, asymmetricRange } from '../ranges/affine.js'

/** A quantizer of activations on the codes 0..255 of one uint8 tensor. */
export interface ActivationGrid {
  readonly affine: Affine
  /** Ends that must be cut in float before it: with few levels, codes of 8 bits reach further than they. */
  readonly cut?: Range
  /** How it differs from the file's. */
  readonly note?: string
}

/** Levels below which more of them would be another function than the one that was trained; above, a finer step only comes closer to it. */
const manyLevels = 120

/**
 * `grid` as ONNX Runtime's kernels take activations: per tensor, 8 bits, uint8 (codes of int8 shifted by 128), float 0 a code. Scale and zero point stay as they
 * are to the last bit where the file's quantizer is that already. Learnt ranges are kept in every case; nothing is calibrated anew.
 */
export function activationGrid(grid: Grid): ActivationGrid {
  const levels = grid.high - grid.low + 1
  const zeroPoint = grid.zeroPoints[0]! - grid.low
  const scale = grid.scales[0]!
  const range = widestRange(grid)
  if (grid.axis !== undefined)
    return { affine: affineOf(asymmetricRange(range)), note: 'one range for all channels, since no kernel takes activations per channel' }
  if (!grid.exact)
    return { affine: affineOf(asymmetricRange(range)), note: 'range widened by at most a step, so that zero is exactly a code' }
  if (levels === 256) return { affine: { scale, zeroPoint } }
  // Narrow int8 leaves out -128, not 127 (quantization.md 1.6); an unsigned range starts at its zero.
  if (levels === 255) return { affine: { scale, zeroPoint: zeroPoint === 0 ? 0 : zeroPoint + 1 } }
  if (levels > 256)
    return { affine: affineOf(asymmetricRange(range)), note: 'its range on 256 levels, since kernels take activations of 8 bits' }
  if (levels >= manyLevels)
    return { affine: affineOf(asymmetricRange(range)), note: `its range on 256 levels in place of ${levels}: a finer step` }
  return { affine: { scale, zeroPoint }, cut: range, note: `its ${levels} levels kept by a float Clip in front of it` }
}
