import { defineErrors } from '../../errors.js'

export const modelErrors = defineErrors({
  ERR_BUNDLE_ADDRESS:
    'Bundles may be fetched from addresses below load.allow of the configuration only: add the prefix, or use `quantd load`.',
  ERR_BUNDLE_FETCH: 'The bundle could not be fetched from its address, or is not the one that was promised: the message says why.',
  ERR_BUNDLE_UNKNOWN: 'No bundle with this hash was uploaded since the daemon started: upload it again with `quantd load`.',
  ERR_MODEL_ANSWER: 'A version opened, but does not answer as it must: other outputs or shapes than float, or numbers that are not finite.',
  ERR_MODEL_CHANGED: 'A version was made of a float model that is no longer the loaded one: quantize again.',
  ERR_MODEL_DEVICE:
    'The version runs on a device that is not there now: see `quantd devices` and why it is gone; activate another version meanwhile.',
  ERR_MODEL_NOT_READY: 'The model is loading or could not be opened: its topic says why.',
  ERR_MODEL_OPEN:
    'The model file reads as ONNX, but its engine does not open it, or not within limits of memory and time: the message says why.',
  ERR_MODEL_PREVIOUS: 'There is no version to go back to: none but the active one has answered since the bundle was loaded.',
  ERR_MODEL_REFUSED: 'The version was judged not good enough: `activate` it with force, or `pin` it.',
  ERR_MODEL_UNKNOWN: 'No model of this name is loaded.',
  ERR_MODEL_VERSION: 'The model has no such version, or it is not open: the active and the previous one answer.',
})
