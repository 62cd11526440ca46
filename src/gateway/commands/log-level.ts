import { z } from 'zod'
import { logLevels, setLogLevel } from '../../log.js'
import { defineCommand } from './command.js'

/** Sets the least severe line that is written, until the next start or `reload-config`. */
export const logLevel = defineCommand({
  verb: 'log-level',
  help: 'set the least severe log line written',
  request: z.strictObject({ level: z.enum(logLevels) }),
  timeoutMs: 10_000,
  async handle({ level }) {
    setLogLevel(level)
    return { level }
  },
})
