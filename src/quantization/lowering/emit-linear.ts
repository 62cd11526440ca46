import { changeNode, int, intAttribute, isOp } from '../../graph/node.js'
import { roundHalfEven } from '../../graph/tensor/round-half-even.js'
import { constant } from '../../graph/tensor/tensor.js'
import { clamp } from '../ranges/affine.js'
import type { UnitCall } from './lower.js'

/**
 * Conv, Gemm or MatMul with int8 weights. The bias of Conv and Gemm is int32 without zero point, its scale fround(sx * sw): ONNX Runtime does not check it.
 * A bias behind MatMul goes in by Gemm where the data is a matrix; else it stays a float Add, shaped [1, 1, n] so that MatMulAddFusion, which would make a
 * float Gemm of it, passes it by: MatMulIntegerToFloat and Add.
 */
export function emitLinear(call: UnitCall): void {
  const { emitter, options, unit, dequantized, results } = call
  const { main } = unit
  const data = dequantized(unit.data[0]!)
  const weights = options.weights.get(main)!
  const name = unit.weight!
  const { scales, axis } = weights
  const tensor = constant('int8', weights.shape, weights.codes)
  const weight = emitter.weight({ name, tensor, scales, axis, zeroPoint: isOp(main, 'Conv') ? 'absent' : 'written' })
  const bias = options.biases.get(main)
  const result = results[0]!
  if (isOp(main, 'Conv')) {
    emitter.rewire(main, [data, weight, ...(bias === undefined ? [] : [integerBias(call, bias)])], [result])
    return
  }
  const isMatrix = options.shapes.get(unit.data[0]!)!.length === 2 && weights.shape.length === 2
  if (isOp(main, 'Gemm') || (bias !== undefined && isMatrix)) {
    const attributes = { transB: int(isOp(main, 'Gemm') ? intAttribute(main, 'transB', 0) : 0) }
    const inputs = [data, weight, ...(bias === undefined ? [] : [integerBias(call, bias)])]
    emitter.rewire(changeNode(main, { opType: 'Gemm', attributes }), inputs, [result])
    return
  }
  if (bias === undefined) {
    emitter.rewire(main, [data, weight], [result])
    return
  }
  const product = emitter.product(main, [data, weight])
  const floats = emitter.constant(`${name}/bias`, constant('float32', [1, 1, bias.length], Float32Array.from(bias)))
  emitter.add({ name: `${main.name}/bias`, opType: 'Add', inputs: [product, floats], output: result })
}

function integerBias({ emitter, options, unit }: UnitCall, bias: Float64Array): string {
  const { scale } = options.parameters.get(unit.data[0]!)!.dequantize
  const { scales } = options.weights.get(unit.main)!
  const biasScales = Float32Array.from(scales, weightScale => scale * weightScale)
  const codes = Int32Array.from(bias, (value, channel) => {
    const step = biasScales.length === 1 ? biasScales[0]! : biasScales[channel]!
    return clamp(roundHalfEven(value / step), -(2 ** 31), 2 ** 31 - 1)
  })
  const axis = biasScales.length === 1 ? undefined : 0
  const tensor = constant('int32', [codes.length], codes)
  return emitter.weight({ name: `${unit.weight}/bias`, tensor, scales: biasScales, axis, zeroPoint: 'absent' })
}
