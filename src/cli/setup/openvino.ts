import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { QuantdError } from '../../errors.js'
import { openvinoFolder } from '../../hardware/openvino/folder.js'
import { probeOpenvino } from '../../hardware/openvino/probe.js'
import { configOf, type GatewayOptions } from '../client/open-gateway.js'
import type { CliContext } from '../context.js'
import { withGatewayOptions } from '../gateway-command.js'

interface Options extends GatewayOptions {
  readonly package: string
}

/**
 * `quantd setup openvino`: the Python wheel in a private environment within the state directory. Made beside the old one and put in its place when the library
 * answers, so that a failed download leaves what was there.
 */
export function setupOpenvinoCommand(context: CliContext): Command {
  return withGatewayOptions(
    new Command('openvino').description('put OpenVINO into the state directory, from its Python wheel; needs python3 with venv'),
  )
    .option('--package <requirement>', 'what pip installs', 'openvino')
    .action(async (options: Options) => {
      const { state_dir } = await configOf(options, context)
      const folder = openvinoFolder(state_dir)
      const fresh = `${folder}.new`
      await mkdir(state_dir, { recursive: true })
      await rm(fresh, { recursive: true, force: true })
      try {
        await run(context, 'python3', ['-m', 'venv', fresh])
        await run(context, join(fresh, 'bin', 'python'), [
          '-m',
          'pip',
          'install',
          '--no-input',
          '--disable-pip-version-check',
          options.package,
        ])
        // Nothing but the new environment is looked into.
        const where = { env: { HOME: fresh }, root: fresh, privateFolder: fresh }
        const { devices, library, reason } = await probeOpenvino({ ...where, signal: context.signal })
        if (library === undefined) {
          throw new QuantdError('ERR_OPENVINO_LOAD', `what pip installed as '${options.package}' does not run here: ${reason}`, {
            details: { package: options.package },
          })
        }
        await replace(folder, fresh)
        context.out(
          `OpenVINO ${library.build} in ${folder}: ${devices.map(({ name }) => name).join(', ')}. Restart the daemon to use it.\n`,
        )
      } finally {
        await rm(fresh, { recursive: true, force: true })
      }
    })
}

/** Puts `fresh` in the place of `folder`, which is set aside first: a daemon that starts in between finds one or none, never half of one. */
async function replace(folder: string, fresh: string): Promise<void> {
  const old = `${folder}.old`
  await rm(old, { recursive: true, force: true })
  if (existsSync(folder)) await rename(folder, old)
  await rename(fresh, folder)
  await rm(old, { recursive: true, force: true })
}

/** @throws ERR_CLI_SETUP with the last lines of the tool */
function run(context: CliContext, command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: context.env, stdio: ['ignore', 'pipe', 'pipe'], signal: context.signal })
    let tail = ''
    const keep = (text: Buffer) => {
      tail = (tail + text).slice(-2000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    const fail = (why: string) =>
      reject(
        new QuantdError('ERR_CLI_SETUP', `${[command, ...args].join(' ')}: ${why}: ${tail.trim() || 'no output'}`, {
          details: { command },
        }),
      )
    child.on('error', error => fail(error.message))
    child.on('close', code => (code === 0 ? resolve() : fail(`ended with status ${code}`)))
  })
}
