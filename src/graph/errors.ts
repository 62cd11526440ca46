import { defineErrors } from '../errors.js'

export const graphErrors = defineErrors({
  ERR_GRAPH_PRODUCER: 'A value is made twice (by two nodes, or by a node and an input or constant): the model is invalid.',
  ERR_GRAPH_INPUT: 'A node reads a value that nothing makes: the model is invalid.',
  ERR_GRAPH_OUTPUT: 'The graph returns a value that nothing makes: the model is invalid.',
  ERR_GRAPH_CYCLE: 'Nodes depend on each other in a circle: the model is invalid.',
  ERR_GRAPH_ORDER: 'A node stands before one whose result it reads: a pass of ours broke the order.',
  ERR_GRAPH_TYPE: 'A constant does not have the size that its type and shape need: a pass of ours broke it.',
  ERR_GRAPH_PASS: 'A pass left a broken graph: the message names the pass. Report it with the model.',
  ERR_GRAPH_FAKE_QUANTIZE:
    'A FakeQuantize of the model has no valid number of levels, not its five inputs, or a broadcast that ONNX does not have: export the model again.',
})
