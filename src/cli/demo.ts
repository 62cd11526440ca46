import { Command } from 'commander'
import type { CliContext, ExitCode } from './context.js'

/** `quantd demo`: the tour on an embedded broker; its parts load only when it is asked for. */
export function demoCommand(context: CliContext): Command {
  return new Command('demo')
    .description('the tour: embedded broker, example model and pictures; float, capture, calibration, judgement, int8')
    .option('--once', 'end after the tour: 0 when int8 answers at its end')
    .action(async ({ once = false }: { once?: boolean }) => {
      const { runDemo } = await import('../demo/demo.js')
      context.exitCode = (await runDemo({ once })) as ExitCode
    })
}
