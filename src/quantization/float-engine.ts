import type { Engine } from '../engines/engine.js'
import { errorCode } from '../errors.js'
import { logger } from '../log.js'
import type { QuantizeTarget, SharedRequest } from './contract.js'

const log = logger('quantization')

/**
 * Nodes up to which the engine of the targets runs floats as well. Its library is loaded anyway, a second one takes 35 MiB, which is more than all else that a
 * small model needs; the graph with its reductions takes OpenVINO three to eight times as long to open as ONNX Runtime, which outweighs its faster inferences
 * (measured: recognizer 6.3 against 6.5 s for 300 samples, detector 1.5 against 1.3 s for 50).
 */
const mostNodes = 100

/** Who runs the float model and what observes it: the engine of the targets where they all have the same one and the model is small, else that of the request. */
export function floatEngine({ engine, model, settings }: SharedRequest, targets: readonly QuantizeTarget[]): Engine {
  const theirs = targets[0]?.target?.engine
  const isShared = theirs !== undefined && targets.every(({ target }) => target?.engine === theirs)
  if (!isShared || model.graph.nodes.length > mostNodes || settings.preset === 'accuracy') return engine
  return withFallback(theirs, engine)
}

/** `first`, and `second` for models that it does not open. */
function withFallback(first: Engine, second: Engine): Engine {
  return {
    ...first,
    open: async (artifact, options) => {
      try {
        return await first.open(artifact, options)
      } catch (error) {
        if (errorCode(error) !== 'ERR_ENGINE_OPEN') throw error
        log.info({ engine: first.name, error: String(error) }, `runs on ${second.name} instead`)
        return second.open(artifact, options)
      }
    },
  }
}
