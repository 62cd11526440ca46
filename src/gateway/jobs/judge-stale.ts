import { errorMessage } from '../../errors.js'
import { logger } from '../../log.js'
import type { Models } from '../models/model.js'
import type { Jobs } from './job.js'

const log = logger('gateway/jobs')

/** Starts a job for every active version whose judgement was made on another engine or processor. One that cannot start is logged; its note stays. */
export async function judgeStale(models: Models, jobs: Jobs): Promise<void> {
  for (const { model, version } of models.stale()) {
    try {
      await jobs.start({ kind: 'judge', model, request: { model, version }, trigger: 'daemon', caller: 'daemon' })
    } catch (error) {
      log.warn({ model, version, error: errorMessage(error) }, 'version is not judged again')
    }
  }
}
