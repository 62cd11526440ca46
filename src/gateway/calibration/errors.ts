import { defineErrors } from '../../errors.js'

export const calibrationErrors = defineErrors({
  ERR_CAPTURE_WRITER:
    'The thread that writes captured samples failed: the message says why; capture stands still until the daemon is restarted.',
})
