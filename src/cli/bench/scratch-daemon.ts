import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from '../../config/schema.js'
import { QuantdError } from '../../errors.js'
import { systemClock } from '../../time.js'
import { ControlClient } from '../client/control-client.js'
import { findControlSocket } from '../client/open-gateway.js'
import { load } from '../load.js'

const startLimitMs = 20_000

/** A daemon of its own process, state and gateway id on the same broker, for one measurement; `close` ends it and leaves nothing behind. */
export class ScratchDaemon implements AsyncDisposable {
  readonly gateway: string
  readonly folder: string
  readonly #child: ChildProcess
  readonly #client: ControlClient

  private constructor(fields: { gateway: string; folder: string; child: ChildProcess; client: ControlClient }) {
    this.gateway = fields.gateway
    this.folder = fields.folder
    this.#child = fields.child
    this.#client = fields.client
  }

  /** @throws ERR_CLI_UNREACHABLE with what the daemon wrote last when it does not come up */
  static async start(config: Config, signal: AbortSignal): Promise<ScratchDaemon> {
    const folder = await mkdtemp(join(tmpdir(), 'quantd-scratch-'))
    const scratch: Config = {
      ...config,
      gateway: `bench-${process.pid}`,
      state_dir: join(folder, 'state'),
      runtime_dir: folder,
      discovery: { ...config.discovery, gpu: false, usb: false },
      http: { listen: 'off' },
      schedule: [],
      log: { level: 'warn' },
    }
    const path = join(folder, 'quantd.yaml')
    await writeFile(path, JSON.stringify(scratch), { mode: 0o600 })
    const main = fileURLToPath(new URL('../../main.js', import.meta.url))
    const child = spawn(process.execPath, [main, 'run', '--config', path], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2000)
    })
    try {
      const started = performance.now()
      for (;;) {
        const socket = await findControlSocket(scratch)
        if (socket !== undefined)
          return new ScratchDaemon({ gateway: scratch.gateway, folder, child, client: new ControlClient(socket, signal) })
        if (child.exitCode !== null || performance.now() - started > startLimitMs) {
          throw new QuantdError(
            'ERR_CLI_UNREACHABLE',
            `the daemon for the measurement did not start: ${said.trim().split('\n').at(-1) ?? ''}`,
          )
        }
        await systemClock.sleep(50, signal)
      }
    } catch (error) {
      child.kill('SIGKILL')
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  async load(bundle: string): Promise<void> {
    await load(this.#client, bundle, {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, 'exit')
      this.#child.kill('SIGTERM')
      await gone
    }
    await rm(this.folder, { recursive: true, force: true })
  }
}
