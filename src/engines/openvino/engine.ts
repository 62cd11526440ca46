import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorMessage, QuantdError } from '../../errors.js'
import type { Pointer } from '../../hardware/openvino/library.js'
import type { Engine, OpenOptions } from '../engine.js'
import { type Core, openCore } from './core.js'
import { OpenvinoSession } from './session.js'

/**
 * OpenVINO through its C API: IR (.xml with its .bin), ONNX and ONNX with FakeQuantize, on CPU, GPU and NPU. The library is found at run time and loaded in
 * `open`; a host without it is normal.
 */
export const openvinoEngine: Engine = {
  name: 'openvino',
  serves: ({ kind, id }) => (kind === 'openvino' ? { ok: true } : { ok: false, reason: `${id}: not a device of OpenVINO` }),
  // OpenVINO itself says what it cannot convert, when it reads the model.
  supports: () => ({ ok: true }),
  version: () => openCore().library.build,
  open: openSession,
}

async function openSession(artifact: string | Uint8Array, options: OpenOptions): Promise<OpenvinoSession> {
  if (typeof artifact === 'string') return openFile(artifact, options)
  const folder = await mkdtemp(join(tmpdir(), 'quantd-openvino-'))
  try {
    const path = join(folder, 'model.onnx')
    await writeFile(path, artifact)
    return openFile(path, options)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function openFile(path: string, options: OpenOptions): OpenvinoSession {
  try {
    const core = openCore()
    return compile(core, path, options)
  } catch (error) {
    throw new QuantdError('ERR_ENGINE_OPEN', `model '${path}': ${errorMessage(error)}`, { cause: error, details: { engine: 'openvino' } })
  }
}

/** Precision hints by our names of types. */
const precisions = { float32: 'f32', bfloat16: 'bf16', float16: 'f16' } as const

function compile(core: Core, path: string, options: OpenOptions): OpenvinoSession {
  const { library, pointer } = core
  const { threads, device = 'CPU', precision = 'float32', hint = 'latency', cacheFolder, profile = false } = options
  const properties = {
    PERFORMANCE_HINT: hint.toUpperCase(),
    ...(device === 'CPU' ? { INFERENCE_NUM_THREADS: String(threads) } : {}),
    ...(device === 'NPU' ? {} : { INFERENCE_PRECISION_HINT: precisions[precision] }),
    ...(cacheFolder === undefined ? {} : { CACHE_DIR: cacheFolder }),
    ...(profile ? { PERF_COUNT: 'YES' } : {}),
  }
  const pairs = Object.entries(properties).flat()
  const model = library.out<Pointer>('ov_core_read_model', pointer, path, null)
  try {
    const compiled: [Pointer | null] = [null]
    const variadic = pairs.flatMap(text => ['const char *', text])
    library.check('ov_core_compile_model', pointer, model, device, pairs.length, compiled, ...variadic)
    return new OpenvinoSession(core, { model, compiled: compiled[0]! })
  } finally {
    library.call('ov_model_free', model)
  }
}
