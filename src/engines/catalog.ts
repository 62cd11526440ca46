import { QuantdError } from '../errors.js'
import type { Engine } from './engine.js'
import { nullEngine } from './null/engine.js'
import { onnxruntimeEngine } from './onnxruntime/engine.js'
import { openvinoEngine } from './openvino/engine.js'

/** Who can run a model, by name. Listing them loads no native library. */
export const engines = [nullEngine, onnxruntimeEngine, openvinoEngine] as const satisfies readonly Engine[]

/** @throws ERR_ENGINE_UNKNOWN */
export function engineNamed(name: string): Engine {
  const engine = engines.find(candidate => candidate.name === name)
  if (engine !== undefined) return engine
  throw new QuantdError('ERR_ENGINE_UNKNOWN', `engine '${name}' is unknown; there are ${engines.map(({ name }) => name).join(', ')}`)
}
