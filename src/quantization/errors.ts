import { defineErrors } from '../errors.js'

export const quantizationErrors = defineErrors({
  ERR_QUANT_RANGE:
    'A range that quantization needs is not finite or is upside down: the model gives NaN or infinity on a calibration sample.',
  ERR_QUANT_NO_SAMPLES: 'There are no calibration samples: capture some, or hand in a file that holds at least one.',
  ERR_QUANT_OUTPUT: 'The output that is to be judged is not an output of the model: correct `output` in model.json.',
  ERR_QUANT_METRIC: 'The metric does not fit the labels or the output of the model: name another one, or correct the labels.',
  ERR_QUANT_METRIC_MODULE:
    'A metric module is missing, not allowed here, of another shape than { name, kind, needsLabels, start() }, or it threw or gave no number: the message says which.',
  ERR_QUANT_INTEGER_OP:
    'The bit-exact reference of a target with power-of-two steps does not know an operator of the model: evaluate it by emulation.',
  ERR_QUANT_INPUT: 'An input of the model is no tensor of numbers, so that no sample file can feed it.',
  ERR_QUANT_LAYER: 'The model has no layer of the name that is to be explained: the message names the nearest ones.',
  ERR_QUANT_QAT_SUBGRAPH:
    'A FakeQuantize stands inside a subgraph (If, Loop, Scan), where it cannot be honoured: export the model without control flow around its quantizers.',
})
