import { activate } from './activate.js'
import { bench } from './bench.js'
import { cancel } from './cancel.js'
import { capture } from './capture.js'
import type { Command } from './command.js'
import { devices } from './devices.js'
import { drain } from './drain.js'
import { erase } from './erase.js'
import { jobs } from './jobs.js'
import { load } from './load.js'
import { logLevel } from './log-level.js'
import { models } from './models.js'
import { pin } from './pin.js'
import { reloadConfig } from './reload-config.js'
import { requantize } from './requantize.js'
import { resume } from './resume.js'
import { rollback } from './rollback.js'
import { unload } from './unload.js'

/** Every verb of the gateway; the control socket, MQTT and the schedule call the same. */
export const commands = [
  activate,
  bench,
  cancel,
  capture,
  devices,
  drain,
  erase,
  jobs,
  load,
  logLevel,
  models,
  pin,
  reloadConfig,
  requantize,
  resume,
  rollback,
  unload,
] as const satisfies readonly Command[]
export type Verb = (typeof commands)[number]['verb']

const byVerb = new Map<string, Command>(commands.map((command: Command) => [command.verb, command]))

export function findCommand(verb: string): Command | undefined {
  return byVerb.get(verb)
}
