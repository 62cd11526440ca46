import { defineErrors } from '../../errors.js'

export const onnxErrors = defineErrors({
  ERR_ONNX_WIRE: 'The file is not a whole ONNX file: its bytes end or go wrong at the offset named. Copy or export it again.',
  ERR_ONNX_LIMIT:
    'The file holds more messages, text or numbers, or nests deeper, than any real model does: it is refused before it is decoded.',
  ERR_ONNX_MODEL: 'The file decodes, but lacks what every model has (a graph, an operator set, names): export it again.',
  ERR_ONNX_OPSET: 'The operator set of the model is outside what is supported (ai.onnx 7 to 23): export it with one of those.',
  ERR_ONNX_TENSOR: 'A constant has a shape that its bytes do not fill, or a negative size: the file is damaged.',
  ERR_ONNX_ATTRIBUTE: 'An attribute is repeated, without type, or lacks the value that its type promises: the file is damaged.',
  ERR_ONNX_EXTERNAL: 'Data outside the model file is missing, too short, or outside the folder of the model: put it beside the model.',
  ERR_ONNX_FILE: 'The model file cannot be read: check the path and its permissions.',
  ERR_ONNX_UPGRADE:
    'An operator has no known equal form in the operator set that quantization needs: export the model with opset 13 or later.',
  ERR_ONNX_WRITE: 'The model cannot be written as one file: it would pass the 2 GB that protobuf allows.',
})
