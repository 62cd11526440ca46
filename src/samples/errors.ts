import { defineErrors } from '../errors.js'

export const sampleErrors = defineErrors({
  ERR_SAMPLES_READ: 'A sample cannot be read: the message names the file and the item; check that it was copied whole.',
  ERR_SAMPLES_FORMAT:
    'The file of samples is not what this program reads: .npz, .npy or a folder of images; the message says what was found.',
  ERR_SAMPLES_INPUTS: 'The arrays do not match the inputs of the model: one array per input, named like the input, and optionally `label`.',
  ERR_SAMPLES_SHAPE: 'An array has another shape than the input that it feeds: first axis = samples, then the shape of the input.',
  ERR_SAMPLES_DTYPE:
    'The values of an array cannot become the type of the input: convert them, or declare the preprocessing in model.json.',
  ERR_SAMPLES_LABEL:
    'The labels are not one per sample, or of a type that is neither index, row of numbers nor text, or none that the model can answer.',
  ERR_SAMPLES_IMAGES: 'The folder holds no JPEG or PNG image, or its label file does not match its images.',
  ERR_REQUEST_JSON: 'The request is no JSON, or no inference request of the Open Inference Protocol: the message names the place.',
  ERR_REQUEST_HEADER: 'The JSON header of a binary request, or a size in it, does not match the bytes that follow.',
  ERR_REQUEST_INPUTS: 'An input is missing, unknown or given twice: compare with the inputs of the model.',
  ERR_REQUEST_OUTPUTS: 'An output that was asked for does not exist, or in a form that is not served.',
  ERR_REQUEST_SHAPE: 'The shape of an input does not fit the model, or not the number of its values; details hold expected and actual.',
  ERR_REQUEST_DTYPE: 'The datatype or a value of an input does not fit the model; details hold expected and actual.',
  ERR_REQUEST_MEDIA: 'This content type is not served for this model: the message says which is.',
  ERR_REQUEST_IMAGE: 'The image cannot be decoded, is no JPEG or PNG, or is too large.',
  ERR_RESPONSE_FORMAT: 'An answer cannot be read: it is no response of the Open Inference Protocol.',
  ERR_BUNDLE_READ: 'The bundle cannot be read: the message names the file.',
  ERR_BUNDLE_ENTRY:
    'The archive of a bundle holds what a bundle may not: links, devices, absolute names, names with .., too many or too large files.',
  ERR_BUNDLE_MANIFEST: '`model.json` is no JSON or has an unknown or wrong key: the message names it and the nearest known one.',
  ERR_BUNDLE_MODEL: 'The bundle has no model file, or several and no `file` in model.json that says which.',
})
