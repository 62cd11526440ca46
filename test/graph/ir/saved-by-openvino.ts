import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import type { Model } from '../../../src/graph/graph.js'
import { readIr } from '../../../src/graph/ir/read.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { openvinoDomain } from '../../../src/graph/openvino-domain.js'

interface Layer {
  readonly type: string
  readonly opset?: string
  readonly data?: Readonly<Record<string, string | number | boolean>>
  /** Names of layers, or `name:index` for an output other than the first. */
  readonly from?: readonly string[]
  readonly dims?: readonly (readonly number[])[]
  readonly precision?: string
}

/** Files as `openvino.save_model` writes them, from layers by name in topological order; constants hold their values. */
function irOf(layers: Readonly<Record<string, Layer & { readonly values?: ArrayBufferView }>>) {
  const names = Object.keys(layers)
  const parts: Uint8Array[] = []
  let offset = 0
  const edges: string[] = []
  const port = (id: number, precision: string, dims: readonly number[]) =>
    `<port id="${id}" precision="${precision}">${dims.map(size => `<dim>${size}</dim>`).join('')}</port>`
  const outputOf = (source: string) => {
    const [name, index = '0'] = source.split(':') as [string, string?]
    const { from = [], dims = [[]], precision = 'FP32' } = layers[name]!
    return { layer: names.indexOf(name), port: from.length + Number(index), precision, dims: dims[Number(index)]! }
  }
  const text = names.map((name, id) => {
    const { type, opset = 'opset1', data = {}, from = [], dims = [[]], precision = 'FP32', values } = layers[name]!
    const attributes: Record<string, string | number | boolean> = { ...data }
    if (values !== undefined) {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
      Object.assign(attributes, { shape: dims[0]!.join(','), offset, size: bytes.byteLength })
      parts.push(bytes)
      offset += bytes.byteLength
    }
    from.forEach((source, index) => {
      const output = outputOf(source)
      edges.push(`<edge from-layer="${output.layer}" from-port="${output.port}" to-layer="${id}" to-port="${index}"/>`)
    })
    const inputs = from.map((source, index) => port(index, outputOf(source).precision, outputOf(source).dims)).join('')
    const outputs = type === 'Result' ? '' : dims.map((sizes, index) => port(from.length + index, precision, sizes)).join('')
    const fields = Object.entries(attributes).map(([key, value]) => `${key}="${value}"`)
    return `<layer id="${id}" name="${name}" type="${type}" version="${opset}"><data ${fields.join(' ')}/><input>${inputs}</input><output>${outputs}</output></layer>`
  })
  const xml = `<?xml version="1.0"?><net name="m" version="11"><layers>${text.join('')}</layers><edges>${edges.join('')}</edges></net>`
  return { xml, bin: Buffer.concat(parts) }
}

const parameter = (dims: readonly number[]): Layer => ({
  type: 'Parameter',
  data: { shape: dims.join(','), element_type: 'f32' },
  dims: [dims],
})
const int64s = (values: readonly bigint[], dims: readonly number[] = [values.length]) => ({
  type: 'Const',
  data: { element_type: 'i64' },
  dims: [dims],
  precision: 'I64',
  values: BigInt64Array.from(values),
})
/** 1, -2, 0.5 and the smallest subnormal, in 16 bits. */
const halves = {
  type: 'Const',
  data: { element_type: 'f16' },
  dims: [[4]],
  precision: 'FP16',
  values: Uint16Array.of(0x3c00, 0xc000, 0x3800, 1),
}

async function answer(model: Model, shape: readonly number[]): Promise<readonly number[]> {
  const session = await onnxruntimeEngine.open(writeModel(model), { threads: 1, optimization: 'disabled' })
  try {
    const count = shape.reduce((product, size) => product * size, 1)
    const answers = await session.infer({ x: { dtype: 'float32', shape, data: Float32Array.from({ length: count }, (_, index) => index) } })
    return [...(Object.values(answers)[0]!.data as Float32Array)]
  } finally {
    await session.close()
  }
}

const foreign = ({ graph }: Model) => graph.nodes.filter(({ domain }) => domain === openvinoDomain).map(({ opType }) => opType)

test('constants of 16 bits become float32 with their exact values', async t => {
  const model = readIr(
    irOf({
      x: parameter([4]),
      half: halves,
      wide: { type: 'Convert', data: { destination_type: 'f32' }, from: ['half'], dims: [[4]] },
      sum: { type: 'Multiply', data: { auto_broadcast: 'numpy' }, from: ['x', 'wide'], dims: [[4]] },
      y: { type: 'Result', from: ['sum'] },
    }),
  )
  t.same(await answer(model, [4]), [0, -2, 1, Math.fround(3 * 2 ** -24)])
})

test('axes that the file computes from the rank of a value are numbers', async t => {
  const model = readIr(
    irOf({
      x: parameter([1, 2, 2, 2]),
      shape: { type: 'ShapeOf', opset: 'opset3', data: { output_type: 'i64' }, from: ['x'], dims: [[4]], precision: 'I64' },
      rank: { type: 'ShapeOf', opset: 'opset3', data: { output_type: 'i64' }, from: ['shape'], dims: [[1]], precision: 'I64' },
      zero: int64s([0n]),
      count: { type: 'Squeeze', from: ['rank', 'zero'], precision: 'I64' },
      two: int64s([2n], []),
      one: int64s([1n], []),
      axes: { type: 'Range', opset: 'opset4', data: { output_type: 'i64' }, from: ['two', 'count', 'one'], dims: [[2]], precision: 'I64' },
      mean: { type: 'ReduceMean', data: { keep_dims: true }, from: ['x', 'axes'], dims: [[1, 2, 1, 1]] },
      y: { type: 'Result', from: ['mean'] },
    }),
  )
  t.same(foreign(model), [])
  t.same(await answer(model, [1, 2, 2, 2]), [1.5, 5.5])
})

test('a length of -1 takes the rest, and the second output of MaxPool may go unread', async t => {
  const model = readIr(
    irOf({
      x: parameter([1, 3, 2, 2]),
      axis: int64s([1n], []),
      lengths: int64s([1n, -1n]),
      parts: {
        type: 'VariadicSplit',
        from: ['x', 'axis', 'lengths'],
        dims: [
          [1, 1, 2, 2],
          [1, 2, 2, 2],
        ],
      },
      pool: {
        type: 'MaxPool',
        opset: 'opset14',
        data: {
          strides: '1,1',
          dilations: '1,1',
          pads_begin: '0,0',
          pads_end: '0,0',
          kernel: '2,2',
          rounding_type: 'floor',
          auto_pad: 'explicit',
        },
        from: ['parts:1'],
        dims: [
          [1, 2, 1, 1],
          [1, 2, 1, 1],
        ],
      },
      y: { type: 'Result', from: ['pool'] },
    }),
  )
  t.same(foreign(model), [])
  t.same(await answer(model, [1, 3, 2, 2]), [7, 11])
})

test('normalization over a batch has its data first or third, by its set', async t => {
  const floats = (values: readonly number[]) => ({
    type: 'Const',
    data: { element_type: 'f32' },
    dims: [[values.length]],
    values: Float32Array.from(values),
  })
  for (const opset of ['opset1', 'opset5']) {
    const from = opset === 'opset1' ? ['gamma', 'beta', 'x', 'mean', 'variance'] : ['x', 'gamma', 'beta', 'mean', 'variance']
    const model = readIr(
      irOf({
        x: parameter([1, 2, 1, 1]),
        gamma: floats([2, 4]),
        beta: floats([1, 0]),
        mean: floats([0, 1]),
        variance: floats([1, 4]),
        normal: { type: 'BatchNormInference', opset, data: { epsilon: 0 }, from, dims: [[1, 2, 1, 1]] },
        y: { type: 'Result', from: ['normal'] },
      }),
    )
    t.same(await answer(model, [1, 2, 1, 1]), [1, 0], opset)
  }
})
