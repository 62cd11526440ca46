import { intAttribute, stringAttribute } from '../../node.js'
import { constant, constantData } from '../../tensor/tensor.js'
import type { Source } from '../net-writer.js'
import type { ExportCall, ExportOp } from './export-call.js'

/** Rows of ONNX gates in the order of IR: GRU has z, r, h in both; LSTM has i, o, f, c there and f, i, c, o here. */
const gateOrder = { GRU: [0, 1, 2], LSTM: [2, 0, 3, 1] } as const

const activationsOf = { GRU: 'sigmoid,tanh', LSTM: 'sigmoid,tanh,tanh' } as const

/** `[directions, gates * hidden, width]` with its gates in IR's order. */
function reordered(call: ExportCall, index: number, order: readonly number[]): Source {
  const tensor = call.constant(index)
  if (tensor === undefined) throw call.refuse(`input ${index} is computed, IR wants it constant`)
  if (order.every((gate, at) => gate === at)) return call.input(index)
  const [directions, rows, width] = tensor.shape as readonly [number, number, number]
  const values = constantData(tensor) as Float32Array
  const block = (rows / order.length) * width
  const moved = new Float32Array(values.length)
  for (let direction = 0; direction < directions; direction += 1) {
    order.forEach((gate, at) => {
      const base = direction * rows * width
      moved.set(values.subarray(base + gate * block, base + (gate + 1) * block), base + at * block)
    })
  }
  return call.net.constant(`${call.node.name}/weights${index}`, constant('float32', tensor.shape, moved))
}

/** ONNX has biases of input and recurrence one behind the other; IR has their sum, and apart only what GRU's linear_before_reset keeps apart. */
function biases(call: ExportCall, { order, hidden, apart }: { order: readonly number[]; hidden: number; apart: boolean }): Source {
  const gates = order.length
  const rows = gates + (apart ? 1 : 0)
  const tensor = call.constant(3)
  if (tensor === undefined && call.has(3)) throw call.refuse('its biases are computed, IR wants them constant')
  const directions = call.shape(1)![0]!
  const values = tensor === undefined ? new Float32Array(directions * 2 * gates * hidden) : (constantData(tensor) as Float32Array)
  const joined = new Float32Array(directions * rows * hidden)
  for (let direction = 0; direction < directions; direction += 1) {
    const base = direction * 2 * gates * hidden
    order.forEach((gate, at) => {
      const alone = apart && at === gates - 1
      for (let unit = 0; unit < hidden; unit += 1) {
        const input = values[base + gate * hidden + unit]!
        const recurrent = values[base + (gates + gate) * hidden + unit]!
        const target = (direction * rows + at) * hidden + unit
        joined[target] = alone ? input : input + recurrent
        if (alone) joined[target + hidden] = recurrent
      }
    })
  }
  return call.net.constant(`${call.node.name}/bias`, constant('float32', [directions, rows * hidden], joined))
}

/** ONNX counts steps first and batch second, IR batch first: transposed on the way in and out. */
function sequence(call: ExportCall, kind: 'GRU' | 'LSTM'): void {
  const { node, net } = call
  if (node.attributes.has('activations') || node.attributes.has('clip') || intAttribute(node, 'layout', 0) !== 0 || call.has(4)) {
    throw call.refuse('own activations, clipping, layout 1 and lengths per item have no counterpart here')
  }
  const hidden = intAttribute(node, 'hidden_size', 0)
  const order = gateOrder[kind]
  const apart = kind === 'GRU' && intAttribute(node, 'linear_before_reset', 0) !== 0
  const int64s = (name: string, values: readonly number[]) => net.int64s(`${node.name}/${name}`, values)
  const turn = (name: string, source: Source, axes: readonly number[]) =>
    call.add(name, { type: 'Transpose', inputs: [source, int64s(`${name}/order`, axes)] })
  const data = turn('batch-first', call.input(0), [1, 0, 2])
  const directions = call.shape(1)![0]!
  const shape = call.add('shape', {
    type: 'ShapeOf',
    opset: 'opset3',
    data: { output_type: 'i64' },
    inputs: [data],
    outputs: [{ dtype: 'int64' }],
  })
  const sizeAt = (name: string, axis: number) =>
    call.add(name, {
      type: 'Gather',
      opset: 'opset8',
      data: { batch_dims: 0 },
      inputs: [shape, int64s(`${name}/axis`, [axis]), net.int64(`${node.name}/zero`, 0)],
    })
  const batch = sizeAt('batch', 0)
  const state = (index: number, name: string) => {
    if (call.has(index)) return turn(name, call.input(index), [1, 0, 2])
    const size = call.add(`${name}/size`, {
      type: 'Concat',
      data: { axis: 0 },
      inputs: [batch, int64s(`${name}/rest`, [directions, hidden])],
    })
    const zero = net.floats(`${node.name}/${name}/zero`, [0])
    return call.add(name, {
      type: 'Broadcast',
      opset: 'opset3',
      data: { mode: 'numpy' },
      inputs: [zero, size],
      outputs: [{ dtype: 'float32' }],
    })
  }
  const lengths = call.add('lengths', {
    type: 'Broadcast',
    opset: 'opset3',
    data: { mode: 'numpy' },
    inputs: [sizeAt('steps', 1), batch],
    outputs: [{ dtype: 'int64' }],
  })
  const states = kind === 'GRU' ? [state(5, 'hidden')] : [state(5, 'hidden'), state(6, 'cell')]
  const direction = stringAttribute(node, 'direction', 'forward')
  const layers = net.addAll({
    name: node.name,
    type: `${kind}Sequence`,
    opset: 'opset5',
    data: {
      hidden_size: hidden,
      direction,
      activations: activationsOf[kind],
      activations_alpha: '',
      activations_beta: '',
      clip: 0,
      ...(kind === 'GRU' ? { linear_before_reset: apart } : {}),
    },
    inputs: [data, ...states, lengths, reordered(call, 1, order), reordered(call, 2, order), biases(call, { order, hidden, apart })],
    outputs: [{ dtype: 'float32' }, ...states.map(() => ({ dtype: 'float32' as const }))],
  })
  layers.forEach((source, index) => {
    const value = node.outputs[index]
    if (value === undefined || value === '') return
    const order = int64s(`out${index}/order`, index === 0 ? [2, 1, 0, 3] : [1, 0, 2])
    const outputs = [{ dtype: 'float32', names: [value] }] as const
    call.bind(index, call.add(`out${index}`, { type: 'Transpose', inputs: [source, order], outputs }))
  })
}

/** Recurrent layers as sequences. */
export const recurrentExports: Readonly<Record<string, ExportOp>> = {
  GRU: call => sequence(call, 'GRU'),
  LSTM: call => sequence(call, 'LSTM'),
}
