import { defineErrors } from '../errors.js'

export const demoErrors = defineErrors({
  ERR_DEMO_REFUSED: 'The gateway of the tour refused a request of its own example: report it with the log (QUANTD_LOG=debug npm start).',
})
