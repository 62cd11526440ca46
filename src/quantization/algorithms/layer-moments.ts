import type { Engine } from '../../engines/engine.js'
import { Graph, type Model } from '../../graph/graph.js'
import { type Attribute, changeNode, int, intAttribute, ints, intsAttribute, isOp, makeNode, type Node } from '../../graph/node.js'
import { writeModel } from '../../graph/onnx/write.js'
import { constant, elementCount, type Tensor } from '../../graph/tensor/tensor.js'

/** How a linear operator sees its weights: `groups` of `inputs` x `outputs / groups` products each. */
export interface LinearLayout {
  readonly groups: number
  /** Products per output: input channels of a group times the kernel. */
  readonly inputs: number
  readonly outputs: number
  /** Position of a weight in its tensor. */
  readonly at: (output: number, input: number) => number
}

/** Sums over all samples and positions of what one layer reads (x, `inputs` numbers per group) and of what float gives there (y). */
export interface LayerMoments {
  readonly count: number
  /** Per group x x^T, inputs x inputs. */
  readonly gram: Float64Array
  /** Per output y x^T of its group. */
  readonly cross: Float64Array
  /** Per group and input. */
  readonly inputSums: Float64Array
  readonly outputSums: Float64Array
}

export interface LayerMomentsOptions {
  readonly model: Model
  /** The operator as the float model has it. */
  readonly main: Node
  readonly weightShape: readonly number[]
  /** Run by run, as `walkLayers` gives them. */
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  readonly engine: Engine
  readonly threads: number
}

export function linearLayout(main: Node, shape: readonly number[]): LinearLayout {
  if (isOp(main, 'Conv')) {
    const inputs = elementCount(shape.slice(1))
    return { groups: intAttribute(main, 'group', 1), inputs, outputs: shape[0]!, at: (output, input) => output * inputs + input }
  }
  const rows = isOp(main, 'Gemm') && intAttribute(main, 'transB', 0) !== 0
  const [inputs, outputs] = rows ? [shape[1]!, shape[0]!] : [shape.at(-2)!, shape.at(-1)!]
  return { groups: 1, inputs, outputs, at: (output, input) => (rows ? output * inputs + input : input * outputs + output) }
}

/** Bytes of patches that one run may unfold; beyond, every second, third, ... position is looked at. */
const patchBytes = 32 * 2 ** 20

/**
 * Second moments of a layer, worked out inside the engine. Patches of a convolution come from the convolution itself with one weight of 1 per output, so that
 * strides, padding and groups are its own.
 */
export async function layerMoments(options: LayerMomentsOptions): Promise<LayerMoments> {
  const { model, main, weightShape, inputs, outputs, engine, threads } = options
  const layout = linearLayout(main, weightShape)
  const { groups, inputs: width, outputs: height } = layout
  const graph = isOp(main, 'Conv') ? convolutionMoments(options, layout) : productMoments(layout)
  const session = await engine.open(writeModel({ ...model, graph }), { threads, optimization: 'basic' })
  const total = {
    gram: new Float64Array(groups * width * width),
    cross: new Float64Array(height * width),
    inputSums: new Float64Array(groups * width),
    outputSums: new Float64Array(height),
  }
  let count = 0
  try {
    for (const [run, x] of inputs.entries()) {
      const found = await session.infer({ x, y: outputs[run]! })
      for (const [name, sums] of Object.entries(total)) {
        const data = found[name]!.data as Float32Array
        for (let i = 0; i < sums.length; i += 1) sums[i]! += data[i]!
      }
      count += Number(found.positions!.data[1])
    }
  } finally {
    await session.close()
  }
  return { count, ...total }
}

/** Adds operators one after the other. */
class Builder {
  readonly graph = new Graph({
    name: 'moments',
    nodes: [],
    inputs: ['x', 'y'].map(name => ({ name, dtype: 'float32', shape: undefined })),
    outputs: [],
  })
  readonly #nodes: Node[] = []

  add(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}, output?: string): string {
    const name = output ?? this.graph.uniqueName(opType)
    this.#nodes.push(makeNode({ name, opType, inputs, outputs: [name], attributes }))
    return name
  }

  push(node: Node): void {
    this.#nodes.push(node)
  }

  int64s(values: readonly number[]): string {
    return this.graph.addConstant('int64s', constant('int64', [values.length], BigInt64Array.from(values, BigInt)))
  }

  /** The moments of `x`, [groups, inputs, positions], and `y`, [groups, outputs of a group, positions]. */
  finish(x: string, y: string): Graph {
    const turned = this.add('Transpose', [x], { perm: ints([0, 2, 1]) })
    this.add('MatMul', [x, turned], {}, 'gram')
    this.add('MatMul', [y, turned], {}, 'cross')
    // A product with ones: the axes of ReduceSum are an attribute in one operator set, an input in the next.
    const shape = this.add('Shape', [x])
    const positions = this.add('Gather', [shape, this.int64s([2])])
    const one = this.graph.addConstant('one', constant('float32', [1], Float32Array.of(1)))
    const ones = this.add('Expand', [one, this.add('Concat', [positions, this.int64s([1])], { axis: int(0) })])
    this.add('MatMul', [x, ones], {}, 'inputSums')
    this.add('MatMul', [y, ones], {}, 'outputSums')
    this.add('Concat', [this.int64s([0]), positions], { axis: int(0) }, 'positions')
    this.graph.setNodes(this.#nodes)
    const sums = ['gram', 'cross', 'inputSums', 'outputSums'].map(name => ({ name, dtype: 'float32', shape: undefined }) as const)
    this.graph.setOutputs([...sums, { name: 'positions', dtype: 'int64', shape: undefined }])
    return this.graph
  }
}

function productMoments({ inputs, outputs }: LinearLayout): Graph {
  const builder = new Builder()
  const rows = (value: string, width: number) => {
    const matrix = builder.add('Reshape', [value, builder.int64s([1, -1, width])])
    return builder.add('Transpose', [matrix], { perm: ints([0, 2, 1]) })
  }
  return builder.finish(rows('x', inputs), rows('y', outputs))
}

function convolutionMoments(
  { main, weightShape, inputs, outputs }: LayerMomentsOptions,
  { groups, inputs: width, outputs: height }: LinearLayout,
): Graph {
  const builder = new Builder()
  const stride = patchStride(main, groups * width, outputs)
  const perGroup = Array.from({ length: width * width }, (_, at) => (at % (width + 1) === 0 ? 1 : 0))
  const selecting = Float32Array.from({ length: groups * width * width }, (_, at) => perGroup[at % (width * width)]!)
  const weights = builder.graph.addConstant('selecting', constant('float32', [groups * width, ...weightShape.slice(1)], selecting))
  const strides = intsAttribute(main, 'strides') ?? weightShape.slice(2).map(() => 1)
  const attributes = { ...Object.fromEntries(main.attributes), strides: ints(strides.map(step => step * stride)) }
  builder.push(changeNode(main, { name: 'patches', inputs: ['x', weights], outputs: ['patches'], attributes }))
  const rank = inputs[0]!.shape.length
  const spatial = Array.from({ length: rank - 2 }, (_, at) => at + 2)
  const far = spatial.map(() => Number.MAX_SAFE_INTEGER)
  const thinned =
    stride === 1
      ? 'y'
      : builder.add('Slice', [
          'y',
          builder.int64s(spatial.map(() => 0)),
          builder.int64s(far),
          builder.int64s(spatial),
          builder.int64s(spatial.map(() => stride)),
        ])
  const grouped = (value: string, channels: number) => {
    const split = builder.add('Reshape', [value, builder.int64s([0, groups, channels, -1])])
    const turned = builder.add('Transpose', [split], { perm: ints([1, 2, 0, 3]) })
    return builder.add('Reshape', [turned, builder.int64s([groups, channels, -1])])
  }
  return builder.finish(grouped('patches', width), grouped(thinned, height / groups))
}

/** Every how many-th position along each axis is looked at. Automatic padding hangs on the stride, so there it stays 1. */
function patchStride(main: Node, channels: number, outputs: readonly Tensor[]): number {
  const padding = main.attributes.get('auto_pad')
  if (padding?.kind === 'string' && padding.value !== 'NOTSET' && padding.value !== 'VALID') return 1
  const { shape } = outputs[0]!
  const positions = elementCount([shape[0]!, ...shape.slice(2)])
  return Math.max(1, Math.ceil(((4 * channels * positions) / patchBytes) ** (1 / (shape.length - 2))))
}
