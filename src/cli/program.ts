import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { setLogLevel } from '../log.js'
import { packageRoot } from '../paths.js'
import { activateCommand } from './activate.js'
import { benchCommand } from './bench/bench.js'
import { cancelCommand } from './cancel.js'
import { captureCommand } from './capture.js'
import { checkConfigCommand } from './check-config.js'
import type { CliContext, ExitCode } from './context.js'
import { demoCommand } from './demo.js'
import { devicesCommand } from './devices.js'
import { doctorCommand } from './doctor/doctor.js'
import { drainCommand } from './drain.js'
import { eraseCommand } from './erase.js'
import { exitCodeOf } from './exit-code.js'
import { inferCommand } from './infer/infer.js'
import { jobsCommand } from './jobs.js'
import { loadCommand } from './load.js'
import { logLevelCommand } from './log-level.js'
import { modelsCommand } from './models.js'
import { printError } from './output/print-error.js'
import { pinCommand } from './pin.js'
import { quantizeCommand } from './quantize.js'
import { reloadConfigCommand } from './reload-config.js'
import { requantizeCommand } from './requantize.js'
import { resumeCommand } from './resume.js'
import { rollbackCommand } from './rollback.js'
import { runCommand } from './run.js'
import { unloadCommand } from './unload.js'

/** Every command, in the order of the help. */
export const commandCatalog = [
  runCommand,
  demoCommand,
  quantizeCommand,
  devicesCommand,
  modelsCommand,
  jobsCommand,
  loadCommand,
  inferCommand,
  unloadCommand,
  requantizeCommand,
  activateCommand,
  rollbackCommand,
  pinCommand,
  captureCommand,
  eraseCommand,
  cancelCommand,
  drainCommand,
  resumeCommand,
  reloadConfigCommand,
  logLevelCommand,
  benchCommand,
  doctorCommand,
  checkConfigCommand,
] as const satisfies readonly ((context: CliContext) => Command)[]

function version(): string {
  return (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }).version
}

/** Subcommands do not inherit what is set after they are made: output and exit are set on each. */
function prepare(command: Command, context: CliContext): Command {
  command.exitOverride().configureOutput({ writeOut: context.out, writeErr: context.err })
  if (context.columns !== undefined) command.configureHelp({ helpWidth: context.columns })
  for (const child of command.commands) prepare(child, context)
  return command
}

export function createProgram(context: CliContext): Command {
  const program = new Command('quantd')
    .description('edge inference daemon: int8 models calibrated on the data of this very site, served over MQTT')
    .version(version())
    .enablePositionalOptions()
    .showHelpAfterError('(quantd help COMMAND shows what it takes)')
  for (const make of commandCatalog) program.addCommand(make(context))
  return prepare(program, context)
}

/** Runs one command line. Prints errors, returns the exit code; never throws. */
export async function runProgram(args: readonly string[], context: CliContext): Promise<ExitCode> {
  if (context.env.QUANTD_LOG === undefined) setLogLevel('warn')
  try {
    await createProgram(context).parseAsync([...args], { from: 'user' })
    return context.exitCode
  } catch (error) {
    // commander has printed its own message: help and version end with 0, anything else is a wrong command line.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    printError(error, context, { json: args.includes('--json') })
    return exitCodeOf(error)
  }
}
