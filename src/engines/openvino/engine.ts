import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorMessage, QuantdError } from '../../errors.js'
import { isPackedIr, unpackIr } from '../../graph/ir/packed-ir.js'
import type { Pointer } from '../../hardware/openvino/library.js'
import type { Engine, OpenOptions } from '../engine.js'
import { type Core, openCore } from './core.js'
import { OpenvinoSession } from './session.js'

/**
 * OpenVINO through its C API: IR (.xml with its .bin, or both packed as one file), ONNX and ONNX with FakeQuantize, on CPU, GPU and NPU. The library is found at run time and loaded in
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
  if (typeof artifact === 'string' && !(await isPackedFile(artifact))) return openFile(artifact, options)
  const bytes = typeof artifact === 'string' ? await readFile(artifact) : artifact
  const folder = await mkdtemp(join(tmpdir(), 'quantd-openvino-'))
  try {
    return openFile(await writeParts(folder, bytes), options)
  } finally {
    // What OpenVINO has mapped stays until it is closed.
    await rm(folder, { recursive: true, force: true })
  }
}

/** @throws ERR_ENGINE_OPEN when there is no such file */
async function isPackedFile(path: string): Promise<boolean> {
  const head = Buffer.alloc(8)
  try {
    const file = await open(path)
    try {
      await file.read(head, 0, head.byteLength, 0)
    } finally {
      await file.close()
    }
  } catch (error) {
    throw notOpened(path, error)
  }
  return isPackedIr(head)
}

/** @returns path of the file that OpenVINO reads. @throws ERR_IR_READ */
async function writeParts(folder: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, isPackedIr(bytes) ? 'model.xml' : 'model.onnx')
  if (isPackedIr(bytes)) {
    const { xml, bin } = unpackIr(bytes)
    await Promise.all([writeFile(path, xml), writeFile(join(folder, 'model.bin'), bin)])
  } else await writeFile(path, bytes)
  return path
}

function openFile(path: string, options: OpenOptions): OpenvinoSession {
  try {
    const core = openCore()
    return compile(core, path, options)
  } catch (error) {
    throw notOpened(path, error)
  }
}

function notOpened(path: string, cause: unknown): QuantdError {
  return new QuantdError('ERR_ENGINE_OPEN', `model '${path}': ${errorMessage(cause)}`, { cause, details: { engine: 'openvino' } })
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
    return new OpenvinoSession(core, { model, compiled: compiled[0]!, hint })
  } finally {
    library.call('ov_model_free', model)
  }
}
