import { errorMessage } from '../../errors.js'
import { logger } from '../../log.js'
import type { Recovered } from '../store/journal.js'
import type { Answers } from './answers.js'
import { type CommandPath, isCommandRecord } from './command-path.js'
import type { InferPath } from './infer-path.js'

const log = logger('gateway/mqtt')

/** Requests taken up at once: fewer than one caller may have waiting, so that none is refused for being many. */
const atOnce = 8

/** Ends what an earlier run began: replies go out again, requests run again, those whose time is over are dropped. */
export async function recoverJournal(
  { requests, replies, clockSane }: Recovered,
  { infer, commands, answers }: { readonly infer: InferPath; readonly commands: CommandPath; readonly answers: Answers },
): Promise<void> {
  if (requests.length === 0 && replies.length === 0) return
  log.info({ requests: requests.length, replies: replies.length, clockSane }, 'journal taken up')
  if (!clockSane) log.warn('the clock ran backwards: requests keep the time they had')
  const sent = Promise.all(replies.map(reply => answers.resend(reply.entry, reply, {})))
  const waiting = [...requests]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { entry, ...record } = next
      try {
        await (isCommandRecord(record) ? commands.resume(entry, record) : infer.resume(entry, record))
      } catch (error) {
        log.error({ error: errorMessage(error), model: record.model }, 'a request of the journal was not taken up')
      }
    }
  }
  await Promise.all([sent, ...Array.from({ length: atOnce }, work)])
}
