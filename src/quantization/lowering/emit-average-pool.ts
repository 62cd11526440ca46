import { int, ints, intsAttribute, makeNode } from '../../graph/node.js'
import { constant } from '../../graph/tensor/tensor.js'
import type { UnitCall } from './lower.js'

/** Code of every weight: all are equal, so the scale makes any code exact, and half of the range never saturates. */
const code = 64

/** AveragePool as a depthwise convolution with equal weights: QLinearAveragePool is 20 to 50 times slower than float (ort-fusion.md d9). */
export function emitAveragePool({ emitter, options, unit, dequantized, results }: UnitCall): void {
  const { main } = unit
  const kernel = intsAttribute(main, 'kernel_shape')!
  const channels = options.shapes.get(unit.data[0]!)![1]!
  const area = kernel.reduce((product, size) => product * size, 1)
  const tensor = constant('int8', [channels, 1, ...kernel], new Int8Array(channels * area).fill(code))
  const scales = new Float32Array(channels).fill(1 / (code * area))
  const weight = emitter.weight({ name: `${main.name}/mean`, tensor, scales, axis: 0, zeroPoint: 'absent' })
  const node = makeNode({
    name: main.name,
    opType: 'Conv',
    inputs: [],
    outputs: [],
    attributes: {
      kernel_shape: ints(kernel),
      group: int(channels),
      strides: ints(intsAttribute(main, 'strides') ?? kernel.map(() => 1)),
      pads: ints(intsAttribute(main, 'pads') ?? [...kernel, ...kernel].map(() => 0)),
    },
  })
  emitter.rewire(node, [dequantized(unit.data[0]!), weight], results)
}
