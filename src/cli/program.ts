import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { setLogLevel } from '../log.js'
import { packageRoot } from '../paths.js'
import type { CliContext, ExitCode } from './context.js'
import { exitCodeOf } from './exit-code.js'
import { printError } from './output/print-error.js'

/** Every command, in the order of the help; loaded when it is asked for, so that a verb does not wait for the modules of the others. */
export const commandCatalog = {
  run: async () => (await import('./run.js')).runCommand,
  demo: async () => (await import('./demo.js')).demoCommand,
  quantize: async () => (await import('./quantize.js')).quantizeCommand,
  explain: async () => (await import('./explain.js')).explainCommand,
  devices: async () => (await import('./devices.js')).devicesCommand,
  models: async () => (await import('./models.js')).modelsCommand,
  jobs: async () => (await import('./jobs.js')).jobsCommand,
  load: async () => (await import('./load.js')).loadCommand,
  infer: async () => (await import('./infer/infer.js')).inferCommand,
  unload: async () => (await import('./unload.js')).unloadCommand,
  requantize: async () => (await import('./requantize.js')).requantizeCommand,
  activate: async () => (await import('./activate.js')).activateCommand,
  rollback: async () => (await import('./rollback.js')).rollbackCommand,
  pin: async () => (await import('./pin.js')).pinCommand,
  capture: async () => (await import('./capture.js')).captureCommand,
  erase: async () => (await import('./erase.js')).eraseCommand,
  cancel: async () => (await import('./cancel.js')).cancelCommand,
  drain: async () => (await import('./drain.js')).drainCommand,
  resume: async () => (await import('./resume.js')).resumeCommand,
  'reload-config': async () => (await import('./reload-config.js')).reloadConfigCommand,
  'log-level': async () => (await import('./log-level.js')).logLevelCommand,
  bench: async () => (await import('./bench/bench.js')).benchCommand,
  setup: async () => (await import('./setup/setup.js')).setupCommand,
  doctor: async () => (await import('./doctor/doctor.js')).doctorCommand,
  'check-config': async () => (await import('./check-config.js')).checkConfigCommand,
} as const satisfies Readonly<Record<string, () => Promise<(context: CliContext) => Command>>>

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

/** The program with the command that `args` begin with, or with all of them: for help, and to suggest the nearest name. */
export async function createProgram(context: CliContext, args: readonly string[]): Promise<Command> {
  const asked = Object.entries(commandCatalog).filter(([name]) => name === args[0])
  const wanted = asked.length > 0 ? asked : Object.entries(commandCatalog)
  const program = new Command('quantd')
    .description('edge inference daemon: int8 models calibrated on the data of this very site, served over MQTT')
    .version(version())
    .enablePositionalOptions()
    .showHelpAfterError('(quantd help COMMAND shows what it takes)')
  for (const make of await Promise.all(wanted.map(([, load]) => load()))) program.addCommand(make(context))
  return prepare(program, context)
}

/** Runs one command line. Prints errors, returns the exit code; never throws. */
export async function runProgram(args: readonly string[], context: CliContext): Promise<ExitCode> {
  if (context.env.QUANTD_LOG === undefined) setLogLevel('warn')
  try {
    await (await createProgram(context, args)).parseAsync([...args], { from: 'user' })
    return context.exitCode
  } catch (error) {
    // commander has printed its own message: help and version end with 0, anything else is a wrong command line.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    printError(error, context, { json: args.includes('--json') })
    return exitCodeOf(error)
  }
}
