import { defineErrors } from '../../errors.js'

export const commandErrors = defineErrors({
  ERR_COMMAND_DEVICE: 'No device of this gateway that serves models matches the patterns of the command: see the `devices` command.',
})
