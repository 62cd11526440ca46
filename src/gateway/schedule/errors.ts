import { defineErrors } from '../../errors.js'

export const scheduleErrors = defineErrors({
  ERR_SCHEDULE_CRON: 'An entry of `schedule` has a cron expression or a time zone that does not exist: five or six fields, an IANA name.',
})
