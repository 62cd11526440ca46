import { errorMessage, QuantdError } from '../../errors.js'
import type { Engine, OpenOptions } from '../engine.js'
import { openArtifact } from './artifact.js'
import { compile } from './compile.js'
import { openCore } from './core.js'
import type { OpenvinoSession } from './session.js'

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
  load: async () => {
    openCore()
  },
}

async function openSession(artifact: string | Uint8Array, options: OpenOptions): Promise<OpenvinoSession> {
  try {
    const opened = await openArtifact(artifact)
    try {
      return await compile(openCore(), opened, options)
    } finally {
      await opened.close()
    }
  } catch (error) {
    const what = typeof artifact === 'string' ? `model '${artifact}'` : `model of ${artifact.byteLength} bytes`
    throw new QuantdError('ERR_ENGINE_OPEN', `${what}: ${errorMessage(error)}`, { cause: error, details: { engine: 'openvino' } })
  }
}
