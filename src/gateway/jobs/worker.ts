import { noBody } from '../../process/channel.js'
import { keepMemorySmall } from '../../process/memory.js'
import { parentChannel } from '../../process/parent.js'
import type { OnProgress } from '../../quantization/contract.js'
import { runJudge } from './worker-judge.js'
import { runMake } from './worker-make.js'
import type { WorkerEvent, WorkerTask } from './worker-task.js'

await keepMemorySmall()

/** Entry of the job worker: does one task and tells of its progress. The daemon kills it to cancel. */
const channel = parentChannel(async ({ meta }) => {
  // The only sender is the daemon, compiled against the same types.
  const task = meta as WorkerTask
  const answer = task.do === 'make' ? await runMake(task, onProgress) : await runJudge(task, onProgress)
  return { meta: answer, body: noBody }
})

const onProgress: OnProgress = (stage, progress, etaS, part) =>
  channel.notify({
    stage,
    progress,
    ...(etaS === undefined ? {} : { etaS }),
    ...(part === undefined ? {} : { part }),
  } satisfies WorkerEvent)
