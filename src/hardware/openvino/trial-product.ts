import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OpenvinoLibrary, Pointer } from './library.js'

/** Sizes of the product: [batch, inputs] times [inputs, outputs]. */
const inputs = 64
const outputs = 10

export interface TrialOptions {
  readonly library: OpenvinoLibrary
  readonly core: Pointer
  /** As OpenVINO names it. */
  readonly device: string
}

/**
 * Runs the smallest int8 model that a release may fail on: a matrix product with a free batch axis, on a batch of one. On processors with AMX, 2022.3 and 2023.0
 * find no kernel for it and say so only when it runs ("Primitive descriptor was not found for node FullyConnected"), whoever quantized the model.
 * @throws ERR_OPENVINO
 */
export function tryProduct({ library, core, device }: TrialOptions): void {
  const folder = mkdtempSync(join(tmpdir(), 'quantd-openvino-'))
  const path = join(folder, 'product.xml')
  const owned: (() => void)[] = []
  const own = (pointer: Pointer, free: Parameters<OpenvinoLibrary['call']>[0]): Pointer => {
    owned.push(() => void library.call(free, pointer))
    return pointer
  }
  try {
    writeFileSync(path, productModel())
    writeFileSync(join(folder, 'product.bin'), weights())
    const model = own(library.out<Pointer>('ov_core_read_model', core, path, null), 'ov_model_free')
    const compiled: [Pointer | null] = [null]
    library.check('ov_core_compile_model', core, model, device, 0, compiled)
    const request = own(
      library.out<Pointer>('ov_compiled_model_create_infer_request', own(compiled[0]!, 'ov_compiled_model_free')),
      'ov_infer_request_free',
    )
    const float = elementTypeOfInput(library, model)
    const shape = { rank: 2, dims: BigInt64Array.of(1n, BigInt(inputs)) }
    const tensor = own(library.out<Pointer>('ov_tensor_create', float, shape), 'ov_tensor_free')
    library.check('ov_infer_request_set_input_tensor_by_index', request, 0, tensor)
    library.check('ov_infer_request_infer', request)
  } finally {
    for (const free of owned.reverse()) free()
    rmSync(folder, { recursive: true, force: true })
  }
}

function elementTypeOfInput(library: OpenvinoLibrary, model: Pointer): number {
  const port = library.out<Pointer>('ov_model_const_input_by_index', model, 0)
  try {
    return library.out<number>('ov_port_get_element_type', port)
  } finally {
    library.call('ov_output_const_port_free', port)
  }
}

/** IR v11: x -> FakeQuantize -> MatMul with int8 weights times their steps -> y. */
function productModel(): string {
  const port = (id: number, dims: readonly number[], precision = 'FP32') =>
    `<port id="${id}" precision="${precision}">${dims.map(size => `<dim>${size}</dim>`).join('')}</port>`
  const x = [-1, inputs]
  const w = [outputs, inputs]
  const constant = (id: number, { offset, dims, type, bytes }: { offset: number; dims: readonly number[]; type: string; bytes: number }) =>
    `<layer id="${id}" name="c${id}" type="Const" version="opset1"><data element_type="${type}" shape="${dims.join()}" offset="${offset}" size="${bytes}"/>` +
    `<output>${port(0, dims, type === 'i8' ? 'I8' : 'FP32')}</output></layer>`
  const layers = [
    `<layer id="0" name="x" type="Parameter" version="opset1"><data shape="?,${inputs}" element_type="f32"/><output>${port(0, x)}</output></layer>`,
    constant(1, { offset: 0, dims: [], type: 'f32', bytes: 4 }),
    constant(2, { offset: 4, dims: [], type: 'f32', bytes: 4 }),
    `<layer id="3" name="q" type="FakeQuantize" version="opset1"><data levels="256" auto_broadcast="numpy"/><input>${port(0, x)}${[1, 2, 3, 4].map(id => port(id, [])).join('')}</input><output>${port(5, x)}</output></layer>`,
    constant(4, { offset: 8 + 4 * outputs, dims: w, type: 'i8', bytes: outputs * inputs }),
    `<layer id="5" name="f" type="Convert" version="opset1"><data destination_type="f32"/><input>${port(0, w, 'I8')}</input><output>${port(1, w)}</output></layer>`,
    constant(6, { offset: 8, dims: [outputs, 1], type: 'f32', bytes: 4 * outputs }),
    `<layer id="7" name="s" type="Multiply" version="opset1"><data auto_broadcast="numpy"/><input>${port(0, w)}${port(1, [outputs, 1])}</input><output>${port(2, w)}</output></layer>`,
    `<layer id="8" name="y" type="MatMul" version="opset1"><data transpose_a="false" transpose_b="true"/><input>${port(0, x)}${port(1, w)}</input><output>${port(2, [-1, outputs])}</output></layer>`,
    `<layer id="9" name="r" type="Result" version="opset1"><input>${port(0, [-1, outputs])}</input></layer>`,
  ]
  const edges = [
    [0, 0, 3, 0],
    [1, 0, 3, 1],
    [2, 0, 3, 2],
    [1, 0, 3, 3],
    [2, 0, 3, 4],
    [4, 0, 5, 0],
    [5, 1, 7, 0],
    [6, 0, 7, 1],
    [3, 5, 8, 0],
    [7, 2, 8, 1],
    [8, 2, 9, 0],
  ].map(([from, output, to, input]) => `<edge from-layer="${from}" from-port="${output}" to-layer="${to}" to-port="${input}"/>`)
  return `<?xml version="1.0"?><net name="product" version="11"><layers>${layers.join('')}</layers><edges>${edges.join('')}</edges></net>`
}

/** Low and high of the input, a step for each output, codes -127..127. */
function weights(): Buffer {
  const floats = Float32Array.of(0, 2.55, ...new Array<number>(outputs).fill(0.01))
  const codes = Int8Array.from({ length: outputs * inputs }, (_, index) => ((index * 37) % 255) - 127)
  return Buffer.concat([Buffer.from(floats.buffer), Buffer.from(codes.buffer)])
}
