import { int, ints, isOp, makeNode, string } from '../../node.js'
import { type ConstantTensor, constant, constantData } from '../../tensor/tensor.js'
import type { ImportCall, ImportLayer } from './import-call.js'

/** Where each gate of ONNX stands in IR: GRU has z, r, h in both; LSTM has i, o, f, c there and f, i, c, o here. */
const gateOrder = { GRU: [0, 1, 2], LSTM: [1, 3, 0, 2] } as const
const activations = { GRU: 'sigmoid,tanh', LSTM: 'sigmoid,tanh,tanh' } as const

/** `[directions, gates * hidden, width]` with its gates in the order of ONNX. */
function reordered({ shape, ...stored }: ConstantTensor, order: readonly number[]): ConstantTensor {
  const [directions, rows, ...rest] = shape as readonly [number, number, ...number[]]
  const block = (rows / order.length) * rest.reduce((product, size) => product * size, 1)
  const values = constantData({ shape, ...stored }) as Float32Array
  const moved = new Float32Array(values.length)
  for (let direction = 0; direction < directions; direction += 1) {
    const base = direction * block * order.length
    order.forEach((gate, at) => {
      moved.set(values.subarray(base + gate * block, base + (gate + 1) * block), base + at * block)
    })
  }
  return constant('float32', shape, moved)
}

/** IR has the sum of both biases, and apart only what GRU's linear_before_reset keeps apart; ONNX has the one of the recurrence behind the other. */
function biases(
  tensor: ConstantTensor,
  { order, hidden }: { readonly order: readonly number[]; readonly hidden: number },
): ConstantTensor | undefined {
  const [directions, rows] = tensor.shape as readonly [number, number]
  const gates = order.length
  const apart = rows === (gates + 1) * hidden
  if (!apart && rows !== gates * hidden) return undefined
  const values = constantData(tensor) as Float32Array
  const spread = new Float32Array(directions * 2 * gates * hidden)
  for (let direction = 0; direction < directions; direction += 1) {
    const [from, to] = [direction * rows, direction * 2 * gates * hidden]
    order.forEach((gate, at) => {
      spread.set(values.subarray(from + gate * hidden, from + (gate + 1) * hidden), to + at * hidden)
    })
    if (apart) spread.set(values.subarray(from + gates * hidden, from + rows), to + (2 * gates - 1) * hidden)
  }
  return constant('float32', [directions, 2 * gates * hidden], spread)
}

/** True when the lengths of the items are computed from a shape: every item is as long as the data. */
function areWholeLengths({ builder }: ImportCall, value: string): boolean {
  let at = value
  for (let step = 0; step < 8; step += 1) {
    const node = builder.producer(at)
    if (node === undefined) return false
    if (isOp(node, 'Shape')) return true
    if (!isOp(node, 'Cast', 'Expand', 'Gather', 'Reshape', 'Slice', 'Split', 'Squeeze', 'Unsqueeze')) return false
    at = node.inputs[0]!
  }
  return false
}

/** IR counts the batch first, ONNX steps first: transposed on the way in and out. */
const sequence =
  (kind: 'GRU' | 'LSTM'): ImportLayer =>
  call => {
    const { inputs, outputs, layer, builder } = call
    const states = kind === 'GRU' ? 1 : 2
    const [weights, recurrence, bias] = [0, 1, 2].map(at => call.constant(states + 2 + at))
    const isPlain = call.text('activations', activations[kind]).replaceAll(' ', '') === activations[kind] && call.number('clip', 0) === 0
    const isFloat = [weights, recurrence, bias].every(tensor => tensor?.dtype === 'float32')
    const lengths = call.numbers(states + 1)
    const steps = call.dims(0)[1]
    const areWhole = lengths === undefined ? areWholeLengths(call, inputs[states + 1]!) : lengths.every(length => length === steps)
    if (!isPlain || !isFloat || !areWhole) return false
    const order = gateOrder[kind]
    const hidden = call.number('hidden_size', 0)
    const spread = biases(bias!, { order, hidden })
    if (spread === undefined) return false
    const turn = (value: string, axes: readonly number[]) => call.add('Transpose', [value], { perm: ints(axes) })
    const turned = inputs.slice(0, states + 1).map(value => turn(value, [1, 0, 2]))
    const name = builder.nodeName(layer.name)
    const given = outputs.map((_, index) => builder.valueName(`${layer.name}/steps-first${index}`))
    const constants = [reordered(weights!, order), reordered(recurrence!, order), spread].map((tensor, at) =>
      builder.addConstant(`${layer.name}/${['weights', 'recurrence', 'bias'][at]}`, tensor),
    )
    builder.push(
      makeNode({
        name,
        opType: kind,
        inputs: [turned[0]!, ...constants, '', ...turned.slice(1)],
        outputs: given,
        attributes: {
          hidden_size: int(hidden),
          direction: string(call.text('direction', 'forward')),
          ...(kind === 'GRU' ? { linear_before_reset: int(call.flag('linear_before_reset', false) ? 1 : 0) } : {}),
        },
      }),
    )
    given.forEach((value, index) => {
      builder.push(
        makeNode({
          name: builder.nodeName(`${layer.name}/batch-first${index}`),
          opType: 'Transpose',
          inputs: [value],
          outputs: [outputs[index]!],
          attributes: { perm: ints(index === 0 ? [2, 1, 0, 3] : [1, 0, 2]) },
        }),
      )
    })
    return true
  }

/** Sequences as recurrent layers. */
export const recurrentImports: Readonly<Record<string, ImportLayer>> = { GRUSequence: sequence('GRU'), LSTMSequence: sequence('LSTM') }
