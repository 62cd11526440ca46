import { constant, constantData } from '../../graph/tensor/tensor.js'
import { activationAffine, quantizeUint8 } from '../ranges/affine.js'
import type { Codes } from './emitter.js'
import type { UnitCall } from './lower.js'

/**
 * Add, Mul or Concat on codes: each input has its own parameters, the kernel brings them to those of the output. A constant operand becomes codes of the activations' type: with float or int8 constants the kernel is float (ort-fusion.md a).
 */
export function emitElementwise({ emitter, options, unit, dequantized, results }: UnitCall): void {
  const inputs = unit.main.inputs.map(input =>
    unit.data.includes(input) ? dequantized(input) : quantizedConstant({ emitter, options, input, codes: options.activationCodes }),
  )
  emitter.rewire(unit.main, inputs, results)
}

function quantizedConstant({
  emitter,
  options,
  input,
  codes,
}: Pick<UnitCall, 'emitter' | 'options'> & { input: string; codes: Codes }): string {
  const tensor = options.model.graph.constant(input)!
  const values = constantData(tensor) as Float32Array
  let low = 0
  let high = 0
  for (const value of values) {
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  const affine = low === 0 && high === 0 ? { scale: 1, zeroPoint: 0 } : exactEnds(low, high)
  const bytes = quantizeUint8(values, affine)
  const stored =
    codes === 'uint8'
      ? constant('uint8', tensor.shape, bytes)
      : constant(
          'int8',
          tensor.shape,
          Int8Array.from(bytes, code => code - 128),
        )
  return emitter.dequantize(emitter.constant(`${input}/codes`, stored), affine, codes)
}

/** A constant on one side of 0 spreads over all codes, however small it is; one on both sides is an asymmetric range. */
function exactEnds(low: number, high: number) {
  if (low === 0) return { scale: Math.fround(high / 255), zeroPoint: 0 }
  if (high === 0) return { scale: Math.fround(-low / 255), zeroPoint: 255 }
  return activationAffine({ low, high }, 'asymmetric')
}
