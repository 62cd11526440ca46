import { defineErrors } from '../../errors.js'

export const jobErrors = defineErrors({
  ERR_JOB_BUSY: 'A job for this model waits or runs already: wait for it or cancel it; its id is in the details.',
  ERR_JOB_INTERRUPTED: 'The daemon stopped or crashed while the job ran: start it again.',
  ERR_JOB_SAMPLES:
    'There are too few samples to calibrate on: turn capture on and wait for requests, or put a calibration.npz into the bundle.',
  ERR_JOB_UNKNOWN: 'There is no job of this id: it was never started here, or was pruned after jobs.keep later ones.',
})
