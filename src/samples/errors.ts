import { defineErrors } from '../errors.js'

export const sampleErrors = defineErrors({
  ERR_SAMPLES_READ: 'A sample cannot be read: the message names the file and the item; check that it was copied whole.',
  ERR_SAMPLES_FORMAT:
    'The file of samples is not what this program reads: .npz, .npy or a folder of images; the message says what was found.',
  ERR_SAMPLES_INPUTS: 'The arrays do not match the inputs of the model: one array per input, named like the input, and optionally `label`.',
  ERR_SAMPLES_SHAPE: 'An array has another shape than the input that it feeds: first axis = samples, then the shape of the input.',
  ERR_SAMPLES_DTYPE:
    'The values of an array cannot become the type of the input: convert them, or declare the preprocessing in model.json.',
  ERR_SAMPLES_LABEL: 'The labels are not one per sample, or of a type that is neither index, row of numbers nor text.',
})
