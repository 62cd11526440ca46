import { defineErrors } from '../../errors.js'

export const servingErrors = defineErrors({
  ERR_SERVING_FULL: 'The queue of requests is full: send slower, or raise serving.queue and serving.queue_mb.',
  ERR_SERVING_CALLER: 'One caller has too many requests waiting or running: wait for answers, or raise serving.per_caller.',
  ERR_SERVING_DRAINING: 'The gateway takes no new requests: it is stopping or was drained; send to another one or later.',
  ERR_SERVING_DEVICE: 'The device died while it worked on the request, and so did the retry: see the devices topic and the log.',
  ERR_SERVING_NO_DEVICE: 'No worker runs for the device that the active version was made for: see the devices topic.',
  ERR_SERVING_SLOW: 'The inference took longer than serving.timeout_s: its device counts as faulty.',
  ERR_SERVING_SIZE: 'The request is larger than this gateway accepts: send JPEG or uint8, or raise serving.max_payload_mb.',
})
