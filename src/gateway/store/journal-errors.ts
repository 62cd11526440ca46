import { defineErrors } from '../../errors.js'

export const journalErrors = defineErrors({
  ERR_JOURNAL_THREAD:
    'The thread that writes the journal of requests ended: nothing acknowledged is lost, restart the daemon to make requests durable again.',
})
