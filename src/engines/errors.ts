import { defineErrors } from '../errors.js'

export const engineErrors = defineErrors({
  ERR_ENGINE_OPEN: 'The engine refused the model, or its native library does not load here: the message carries the engine’s own text.',
  ERR_ENGINE_FEED:
    'An input of the inference is missing, unknown or of another type than the model declares: compare with the model’s inputs.',
  ERR_ENGINE_INFER: 'The engine failed while it ran the model: the message carries the engine’s own text.',
  ERR_ENGINE_BROKEN:
    'The engine ran out of memory within an inference, or failed without a word: nothing that the session computes from then on can be trusted, and its process is started again.',
  ERR_ENGINE_CLOSED: 'The session was closed before this call: open the model again.',
  ERR_WORKER_KEY: 'The device worker has no model open under this key: it was closed, or could not be opened again after a restart.',
  ERR_ENGINE_UNKNOWN: 'No engine of this name is in the catalog: the message lists those that are.',
})
