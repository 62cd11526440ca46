import { defineErrors } from '../errors.js'

export const hardwareErrors = defineErrors({
  ERR_HARDWARE_PROCESSOR: 'The processor of this host matches no file in devices/: add one, or report its instruction sets.',
  ERR_HARDWARE_SPEC: 'A file of devices/ is not a device description: the message names the file, the key and what is expected.',
})
