import { fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import { QuantdError } from '../errors.js'
import { Channel, type ChannelOptions, noBody, type RequestHandler } from './channel.js'
import { isPing, pong, sharedMemoryFlag } from './child.js'
import { SharedMemory } from './shared-memory.js'

/** File descriptor of the socketpair that `startChild` makes. */
const pipe = 3
/** File descriptor of the memory that the child shares with its parent, if its arguments say so. */
const memory = 4

/**
 * The child's end of its pipe to the process that started it. Pings are answered here; all else goes to `onRequest`.
 * When the parent closes the pipe or dies, `onClose` runs and the process exits: no worker outlives its daemon.
 * @throws ERR_WORKER_ENTRY when the file was started without that pipe
 */
export function parentChannel(
  onRequest: RequestHandler,
  { onClose, onEvent }: { readonly onClose?: () => Promise<void> | void; readonly onEvent?: ChannelOptions['onEvent'] } = {},
): Channel {
  if (!hasPipe())
    throw new QuantdError(
      'ERR_WORKER_ENTRY',
      'this file is a worker of quantd: it is started by the daemon, with a pipe as file descriptor 3',
    )
  const channel = new Channel(new Socket({ fd: pipe }), {
    peer: 'daemon',
    onRequest: request => (isPing(request.meta) ? { meta: pong(), body: noBody } : onRequest(request)),
    ...(onEvent === undefined ? {} : { onEvent }),
    ...(process.argv.includes(sharedMemoryFlag) ? { memory: new SharedMemory(memory) } : {}),
  })
  void channel.closed.then(async () => {
    try {
      await onClose?.()
    } finally {
      process.exit(0)
    }
  })
  // Ctrl-C reaches the whole process group: the daemon decides when its workers end, by closing their pipes.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
  return channel
}

function hasPipe(): boolean {
  try {
    return fstatSync(pipe).isSocket()
  } catch {
    return false // EBADF: started by hand, without a parent
  }
}
