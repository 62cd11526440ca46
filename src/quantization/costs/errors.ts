import { defineErrors } from '../../errors.js'

export const costErrors = defineErrors({
  ERR_COSTS_FILE: 'The file of measured costs cannot be read or is none: make one with `quantd bench costs MODEL --out FILE`.',
  ERR_COSTS_OTHER_HOST:
    'The costs were measured on another processor, engine or number of threads: measure them anew where the model is to run.',
})
