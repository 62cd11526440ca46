import { floatAttribute } from '../../node.js'
import type { ExportCall, ExportOp } from './export-call.js'

const broadcast = { auto_broadcast: 'numpy' } as const

/** Two operands; more of them (Max, Min, Sum) are taken one after the other. */
const arithmetic =
  (type: string): ExportOp =>
  call => {
    const [first, ...others] = call.inputs
    if (others.length === 0) {
      call.bind(0, first!)
      return
    }
    const last = others.pop()!
    const before = others.reduce((left, right, index) => call.add(`${index}`, { type, data: broadcast, inputs: [left, right] }), first!)
    call.result({ type, data: broadcast, inputs: [before, last] })
  }

const comparison =
  (type: string): ExportOp =>
  call =>
    call.result({ type, data: broadcast, inputs: call.inputs, dtype: 'bool' })

const unary =
  (type: string, opset = 'opset1', data: Readonly<Record<string, string>> = {}): ExportOp =>
  call =>
    call.result({ type, opset, data, inputs: [call.input(0)] })

const passing: ExportOp = call => call.bind(0, call.input(0))

function clip(call: ExportCall): void {
  const limit = (index: number, name: string, otherwise: number) => {
    const given = call.opset < 11 ? [floatAttribute(call.node, name, otherwise)] : call.numbers(index)
    return given?.[0] ?? otherwise
  }
  // Clamp takes numbers only: the ends of float32 stand for no limit.
  call.result({
    type: 'Clamp',
    data: { min: limit(1, 'min', -3.4028234663852886e38), max: limit(2, 'max', 3.4028234663852886e38) },
    inputs: [call.input(0)],
  })
}

/** Operators that work element by element, and those that only pass their input on. */
export const elementwiseExports: Readonly<Record<string, ExportOp>> = {
  Add: arithmetic('Add'),
  Sub: arithmetic('Subtract'),
  Mul: arithmetic('Multiply'),
  Div: arithmetic('Divide'),
  Pow: arithmetic('Power'),
  Max: arithmetic('Maximum'),
  Min: arithmetic('Minimum'),
  Sum: arithmetic('Add'),
  Equal: comparison('Equal'),
  Less: comparison('Less'),
  LessOrEqual: comparison('LessEqual'),
  Greater: comparison('Greater'),
  GreaterOrEqual: comparison('GreaterEqual'),
  And: comparison('LogicalAnd'),
  Or: comparison('LogicalOr'),
  Not: call => call.result({ type: 'LogicalNot', inputs: call.inputs, dtype: 'bool' }),
  Abs: unary('Abs'),
  Ceil: unary('Ceiling'),
  Cos: unary('Cos'),
  Erf: unary('Erf'),
  Exp: unary('Exp'),
  Floor: unary('Floor'),
  Gelu: unary('Gelu', 'opset7', { approximation_mode: 'ERF' }),
  HardSwish: unary('HSwish', 'opset4'),
  Log: unary('Log'),
  Mish: unary('Mish', 'opset4'),
  Neg: unary('Negative'),
  Relu: unary('ReLU'),
  Round: unary('Round', 'opset5', { mode: 'half_to_even' }),
  Sigmoid: unary('Sigmoid'),
  Sign: unary('Sign'),
  Sin: unary('Sin'),
  Softplus: unary('SoftPlus', 'opset4'),
  Sqrt: unary('Sqrt'),
  Tanh: unary('Tanh'),
  Identity: passing,
  Dropout: passing,
  Clip: clip,
  Elu: call => call.result({ type: 'Elu', data: { alpha: floatAttribute(call.node, 'alpha', 1) }, inputs: [call.input(0)] }),
  HardSigmoid: call => {
    const number = (name: string, otherwise: number) =>
      call.net.floats(`${call.node.name}/${name}`, [floatAttribute(call.node, name, otherwise)])
    call.result({ type: 'HardSigmoid', inputs: [call.input(0), number('alpha', 0.2), number('beta', 0.5)] })
  },
  LeakyRelu: call => {
    const slope = call.net.floats(`${call.node.name}/slope`, [floatAttribute(call.node, 'alpha', 0.01)], [1])
    call.result({ type: 'PReLU', inputs: [call.input(0), slope] })
  },
  PRelu: call => {
    // A single axis would be the channels in IR; in ONNX it is the last one.
    const slope = call.constant(1)
    const flat = slope !== undefined && slope.shape.length === 1 && slope.shape[0] !== 1
    const aligned = flat ? call.net.constant(call.node.inputs[1]!, { ...slope, shape: [1, ...slope.shape] }) : call.input(1)
    call.result({ type: 'PReLU', inputs: [call.input(0), aligned] })
  },
  Reciprocal: call => {
    const minusOne = call.net.floats(`${call.node.name}/power`, [-1])
    call.result({ type: 'Power', data: broadcast, inputs: [call.input(0), minusOne] })
  },
  Where: call => call.result({ type: 'Select', data: broadcast, inputs: call.inputs, dtype: call.input(1).dtype }),
}
