#!/usr/bin/env node
import type { CliContext } from './cli/context.js'
import { keepMemorySmall } from './process/memory.js'

// Before anything is loaded: what has grown does not shrink.
if (process.argv[2] === 'quantize') await keepMemorySmall()
const { runProgram } = await import('./cli/program.js')

/** Arguments, signals, exit codes. The first SIGINT or SIGTERM asks the command to end, the second ends the process. */
const ended = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (ended.signal.aborted) process.exit(1)
    ended.abort(name)
  })
}
// `quantd models | head` closes the pipe early: what is not read need not be written.
process.stdout.on('error', error => process.exit((error as NodeJS.ErrnoException).code === 'EPIPE' ? 0 : 1))

const context: CliContext = {
  out: text => void process.stdout.write(text),
  err: text => void process.stderr.write(text),
  interactive: process.stderr.isTTY === true,
  columns: process.stdout.isTTY === true ? process.stdout.columns : undefined,
  env: process.env,
  signal: ended.signal,
  exitCode: 0,
}
process.exitCode = await runProgram(process.argv.slice(2), context)
