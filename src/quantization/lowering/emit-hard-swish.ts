import { scalar } from '../../graph/tensor/tensor.js'
import type { UnitCall } from './lower.js'

/**
 * x * clip(x + 3, 0, 6) / 6 in two integer operators (ort-fusion.md d5): the sum saturates at the ends of a quantizer for 0..6, and the sixth is taken by reading
 * its codes with a scale of 1/255 instead of 6/255.
 */
export function emitHardSwish({ emitter, options, unit, dequantized, results }: UnitCall): void {
  const { name } = unit.main
  const codes = options.activationCodes
  const data = dequantized(unit.data[0]!)
  const three = emitter.constant(
    `${name}/three`,
    codes === 'uint8' ? scalar('uint8', Uint8Array.of(255)) : scalar('int8', Int8Array.of(127)),
  )
  const addend = emitter.dequantize(three, { scale: Math.fround(3 / 255), zeroPoint: 0 }, codes)
  const sum = emitter.add({ name, opType: 'Add', inputs: [data, addend] })
  const gate = emitter.quantize(sum, { scale: Math.fround(6 / 255), zeroPoint: 0 }, codes)
  const sixth = emitter.dequantize(gate, { scale: Math.fround(1 / 255), zeroPoint: 0 }, codes)
  emitter.add({ name, opType: 'Mul', inputs: [data, sixth], output: results[0]! })
}
