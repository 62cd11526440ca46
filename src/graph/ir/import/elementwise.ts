import { float, int } from '../../node.js'
import { dtypes } from '../../tensor/dtype.js'
import { floatsOf } from '../../tensor/floats-of.js'
import { constant, constantData } from '../../tensor/tensor.js'
import { dtypeOf } from '../element-types.js'
import type { ImportCall, ImportLayer } from './import-call.js'
import { compressedWeights } from './quantize.js'

const plain =
  (opType: string): ImportLayer =>
  call => {
    call.result(opType, call.inputs)
    return true
  }

/** What IR gives `auto_broadcast` "pdpd" or "none" means another alignment of axes than ONNX has. */
const numpy =
  (opType: string): ImportLayer =>
  call => {
    if (!['numpy', ''].includes(call.text('auto_broadcast'))) return false
    call.result(opType, call.inputs)
    return true
  }

function prelu(call: ImportCall): boolean {
  const slope = call.constant(1)
  const rank = call.dims(0).length
  if (slope === undefined) return false
  // A single axis is the channels in IR; in ONNX it would be the last one.
  const count = constantData(slope).length
  if (count > 1 && slope.shape.length === 1 && rank < 2) return false
  const shape = count === 1 ? [] : slope.shape.length === 1 ? [count, ...Array.from({ length: rank - 2 }, () => 1)] : slope.shape
  call.result('PRelu', [call.inputs[0]!, call.builder.addConstant(`${call.layer.name}/slope`, { ...slope, shape })])
  return true
}

/** Layers that work element by element. */
export const elementwiseImports: Readonly<Record<string, ImportLayer>> = {
  Add: numpy('Add'),
  Subtract: numpy('Sub'),
  Multiply: call => compressedWeights(call) || numpy('Mul')(call),
  Divide: numpy('Div'),
  Power: numpy('Pow'),
  Maximum: numpy('Max'),
  Minimum: numpy('Min'),
  Equal: numpy('Equal'),
  Less: numpy('Less'),
  LessEqual: numpy('LessOrEqual'),
  Greater: numpy('Greater'),
  GreaterEqual: numpy('GreaterOrEqual'),
  LogicalAnd: numpy('And'),
  LogicalOr: numpy('Or'),
  LogicalNot: plain('Not'),
  Abs: plain('Abs'),
  Ceiling: plain('Ceil'),
  Cos: plain('Cos'),
  Erf: plain('Erf'),
  Exp: plain('Exp'),
  Floor: plain('Floor'),
  HSwish: plain('HardSwish'),
  Log: plain('Log'),
  Mish: plain('Mish'),
  Negative: plain('Neg'),
  ReLU: plain('Relu'),
  Relu: plain('Relu'),
  Sigmoid: plain('Sigmoid'),
  Sign: plain('Sign'),
  Sin: plain('Sin'),
  SoftPlus: plain('Softplus'),
  Sqrt: plain('Sqrt'),
  Tanh: plain('Tanh'),
  Round: call => (call.text('mode', 'half_to_even') === 'half_to_even' ? plain('Round')(call) : false),
  Select: call => (['numpy', ''].includes(call.text('auto_broadcast')) ? plain('Where')(call) : false),
  Clamp: call => {
    const limit = (name: 'min' | 'max') =>
      call.builder.addConstant(`${call.layer.name}/${name}`, constant('float32', [], Float32Array.of(call.number(name, 0))))
    call.result('Clip', [call.inputs[0]!, limit('min'), limit('max')])
    return true
  },
  Convert: call => {
    const dtype = dtypeOf(call.text('destination_type'))
    if (dtype === undefined) return false
    // Constants that a file keeps in 16 bits to be smaller.
    const stored = call.constant(0)
    if (dtype === 'float32' && stored !== undefined && (stored.dtype === 'float16' || stored.dtype === 'bfloat16')) {
      call.builder.setConstant(call.outputs[0]!, constant('float32', stored.shape, floatsOf({ ...stored, dtype: stored.dtype })))
      return true
    }
    call.result('Cast', call.inputs, { to: int(dtypes[dtype].onnx) })
    return true
  },
  Elu: call => {
    call.result('Elu', call.inputs, { alpha: float(call.number('alpha', 1)) })
    return true
  },
  HardSigmoid: call => {
    const [alpha, beta] = [call.numbers(1)?.[0], call.numbers(2)?.[0]]
    if (alpha === undefined || beta === undefined) return false
    call.result('HardSigmoid', [call.inputs[0]!], { alpha: float(alpha), beta: float(beta) })
    return true
  },
  PReLU: prelu,
  /** x * sigmoid(beta x); the pieces are what quantization knows. */
  Swish: call => {
    if (call.inputs.length > 1 && call.numbers(1)?.[0] !== 1) return false
    call.result('Mul', [call.inputs[0]!, call.add('Sigmoid', [call.inputs[0]!])])
    return true
  },
  /** Erf form; ai.onnx has Gelu from 20 on only. */
  Gelu: call => {
    if (call.text('approximation_mode', 'ERF').toUpperCase() !== 'ERF') return false
    const number = (name: string, value: number) =>
      call.builder.addConstant(`${call.layer.name}/${name}`, constant('float32', [], Float32Array.of(value)))
    const x = call.inputs[0]!
    const erf = call.add('Erf', [call.add('Div', [x, number('root', Math.SQRT2)])])
    const gate = call.add('Mul', [call.add('Add', [erf, number('one', 1)]), number('half', 0.5)])
    call.result('Mul', [x, gate])
    return true
  },
}
