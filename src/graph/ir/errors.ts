import { defineErrors } from '../../errors.js'

export const irErrors = defineErrors({
  ERR_IR_READ: 'The file is no OpenVINO IR of version 10 or 11, or its .bin does not fit to its .xml: the message says where.',
  ERR_IR_OP: 'The model has an operator, or a form of one, that has no counterpart in OpenVINO IR here: the message names the node.',
})
