import { createHash } from 'node:crypto'
import { errorMessage } from '../../errors.js'
import type { Pointer } from '../../hardware/openvino/library.js'
import { logger } from '../../log.js'
import type { OpenOptions } from '../engine.js'
import type { Artifact } from './artifact.js'
import { CompiledCache } from './compiled-cache.js'
import type { Core } from './core.js'
import { type Properties, propertiesOf } from './properties.js'
import { OpenvinoSession } from './session.js'

const log = logger('engines/openvino')

interface Compiling {
  readonly core: Core
  readonly path: string
  readonly device: string
  readonly hint: NonNullable<OpenOptions['hint']>
}

/** Reads and compiles a model, from what was compiled before where `options.cache` has that. @throws ERR_OPENVINO; Error for a port that no tensor here has */
export async function compile(core: Core, artifact: Artifact, options: OpenOptions): Promise<OpenvinoSession> {
  const { device = 'CPU', hint = 'latency', cache } = options
  const compiling = { core, path: artifact.path, device, hint }
  const properties = propertiesOf(core, options)
  const content = cache === undefined ? undefined : await artifact.content()
  if (cache === undefined || content === undefined) return compileFile(compiling, properties)
  const kept = new CompiledCache(cache)
  const key = keyOf(compiling, { ...properties, content: content.sha256 })
  const folder = await kept.find(key, content.bytes)
  if (folder === undefined) return compileFile(compiling, properties)
  let session: OpenvinoSession
  try {
    session = compileFile(compiling, { ...properties, CACHE_DIR: folder })
  } catch (error) {
    log.warn({ folder, error: errorMessage(error) }, 'compiled anew: not opened with what is kept')
    await kept.drop(key)
    return compileFile(compiling, properties)
  }
  await kept.keep(key)
  return session
}

/** Another build, or another chip on which the state directory now lies, compiles anew. @throws ERR_OPENVINO for a device that is not there */
function keyOf({ core: { library, pointer }, device }: Compiling, properties: Properties): string {
  const facts = ['FULL_DEVICE_NAME', 'OPTIMIZATION_CAPABILITIES'].map(name =>
    library.out<string>('ov_core_get_property', pointer, device, name),
  )
  return createHash('sha256')
    .update(JSON.stringify([library.build, device, facts, Object.entries(properties)]))
    .digest('hex')
}

function compileFile({ core, path, device, hint }: Compiling, properties: Properties): OpenvinoSession {
  const { library, pointer } = core
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
