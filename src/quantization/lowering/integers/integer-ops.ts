import { invariant } from '../../../errors.js'
import { intAttribute, intsAttribute, type Node } from '../../../graph/node.js'
import { elementCount } from '../../../graph/tensor/tensor.js'
import { type IntegerTensor, inStepsOf } from './integer-tensor.js'

/** Weights as integers, in steps of their own per output channel, and a bias in steps of the sum. */
export interface IntegerWeights {
  readonly shape: readonly number[]
  readonly integers: Float64Array
  /** One per output channel, or one for all. */
  readonly exponents: readonly number[]
  /** Float values, one per output channel. */
  readonly bias: ArrayLike<number> | undefined
}

/** Sums are exact; outputs of all channels are brought to the smallest of their steps. */
function finished(
  data: IntegerTensor,
  weights: IntegerWeights,
  sums: { shape: readonly number[]; integers: Float64Array; channelOf: (index: number) => number },
) {
  const { exponents, bias } = weights
  const smallest = Math.min(...exponents)
  const exponentAt = (channel: number) => exponents[exponents.length === 1 ? 0 : channel]!
  const integers = sums.integers.map((sum, index) => {
    const channel = sums.channelOf(index)
    const step = 2 ** (data.exponent + exponentAt(channel))
    const added = bias === undefined ? 0 : bias[channel]! / step
    invariant(Number.isInteger(added), `bias of channel ${channel} is no whole number of steps`)
    return (sum + added) * 2 ** (exponentAt(channel) - smallest)
  })
  return { shape: sums.shape, integers, exponent: data.exponent + smallest, divisor: 1 } satisfies IntegerTensor
}

/** Convolution over two spatial axes; padding adds nothing, since float 0 is integer 0. */
export function convolve(node: Node, data: IntegerTensor, weights: IntegerWeights): IntegerTensor {
  invariant(data.divisor === 1 && data.shape.length === 4, `convolution '${node.name}' reads no codes of an image`)
  const [batch, channels, height, width] = data.shape as readonly [number, number, number, number]
  const [outputs, perGroup, kernelHeight, kernelWidth] = weights.shape as readonly [number, number, number, number]
  const groups = intAttribute(node, 'group', 1)
  const [strideY, strideX] = (intsAttribute(node, 'strides') ?? [1, 1]) as readonly [number, number]
  const [dilationY, dilationX] = (intsAttribute(node, 'dilations') ?? [1, 1]) as readonly [number, number]
  const [top, left, bottom, right] = (intsAttribute(node, 'pads') ?? [0, 0, 0, 0]) as readonly [number, number, number, number]
  const outHeight = Math.floor((height + top + bottom - dilationY * (kernelHeight - 1) - 1) / strideY) + 1
  const outWidth = Math.floor((width + left + right - dilationX * (kernelWidth - 1) - 1) / strideX) + 1
  const integers = new Float64Array(batch * outputs * outHeight * outWidth)
  const place = outHeight * outWidth
  for (let image = 0; image < batch; image += 1) {
    for (let o = 0; o < outputs; o += 1) {
      const first = Math.floor(o / (outputs / groups)) * perGroup
      const target = (image * outputs + o) * place
      for (let c = 0; c < perGroup; c += 1) {
        const source = (image * channels + first + c) * height * width
        for (let ky = 0; ky < kernelHeight; ky += 1) {
          for (let kx = 0; kx < kernelWidth; kx += 1) {
            const weight = weights.integers[((o * perGroup + c) * kernelHeight + ky) * kernelWidth + kx]!
            if (weight === 0) continue
            for (let y = 0; y < outHeight; y += 1) {
              const row = y * strideY + ky * dilationY - top
              if (row < 0 || row >= height) continue
              for (let x = 0; x < outWidth; x += 1) {
                const column = x * strideX + kx * dilationX - left
                if (column < 0 || column >= width) continue
                integers[target + y * outWidth + x]! += weight * data.integers[source + row * width + column]!
              }
            }
          }
        }
      }
    }
  }
  return finished(data, weights, {
    shape: [batch, outputs, outHeight, outWidth],
    integers,
    channelOf: index => Math.floor(index / place) % outputs,
  })
}

/** Gemm and MatMul of a matrix with constant weights, transposed where `transB` says so. */
export function multiply(node: Node, data: IntegerTensor, weights: IntegerWeights): IntegerTensor {
  invariant(data.divisor === 1 && data.shape.length === 2, `product '${node.name}' reads no codes of a matrix`)
  const transposed = node.opType === 'Gemm' && intAttribute(node, 'transB', 0) !== 0
  const [rows, inner] = data.shape as readonly [number, number]
  const outputs = transposed ? weights.shape[0]! : weights.shape[1]!
  const integers = new Float64Array(rows * outputs)
  for (let row = 0; row < rows; row += 1) {
    for (let o = 0; o < outputs; o += 1) {
      let sum = 0
      for (let c = 0; c < inner; c += 1) {
        sum += data.integers[row * inner + c]! * weights.integers[transposed ? o * inner + c : c * outputs + o]!
      }
      integers[row * outputs + o] = sum
    }
  }
  return finished(data, weights, { shape: [rows, outputs], integers, channelOf: index => index % outputs })
}

/** Sum of two tensors of one shape, in the smaller of their steps. */
export function add(a: IntegerTensor, b: IntegerTensor): IntegerTensor {
  invariant(a.shape.join() === b.shape.join() && a.divisor === 1 && b.divisor === 1, 'operands of a sum differ in shape')
  const exponent = Math.min(a.exponent, b.exponent)
  const [first, second] = [inStepsOf(a, exponent), inStepsOf(b, exponent)]
  return { ...first, integers: first.integers.map((value, index) => value + second.integers[index]!) }
}

export const rectify = (tensor: IntegerTensor): IntegerTensor => ({ ...tensor, integers: tensor.integers.map(value => Math.max(0, value)) })

/** Sums over all places of each channel; the division waits for the rounding to codes. */
export function globalMean({ shape, integers, exponent, divisor }: IntegerTensor): IntegerTensor {
  const places = elementCount(shape.slice(2))
  const sums = new Float64Array(elementCount(shape.slice(0, 2)))
  integers.forEach((value, index) => {
    sums[Math.floor(index / places)]! += value
  })
  return { shape: [...shape.slice(0, 2), ...shape.slice(2).map(() => 1)], integers: sums, exponent, divisor: divisor * places }
}

export function flatten(node: Node, tensor: IntegerTensor): IntegerTensor {
  const axis = intAttribute(node, 'axis', 1)
  return { ...tensor, shape: [elementCount(tensor.shape.slice(0, axis)), elementCount(tensor.shape.slice(axis))] }
}
