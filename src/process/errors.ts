import { defineErrors } from '../errors.js'

export const processErrors = defineErrors({
  ERR_FRAME_SIZE: 'A frame between daemon and worker declares a size that is impossible or above the limit: the connection is given up.',
  ERR_FRAME_KIND: 'A frame between daemon and worker is of a kind that does not exist: the connection is given up.',
  ERR_FRAME_META: 'The head of a frame between daemon and worker is no JSON: the connection is given up.',
  ERR_WORKER_GONE: 'The worker process ended while it had this request: send it again; the log tells why it ended.',
  ERR_WORKER_CLOSED: 'The worker is being closed or has been: nothing is sent to it any more.',
  ERR_WORKER_MEMORY:
    'A process that works on one thing needed more memory than it may: give it a smaller model or fewer samples, or raise the limit.',
  ERR_WORKER_ENTRY: 'A worker was started by hand: its file is run by the daemon, with a pipe as file descriptor 3.',
})
