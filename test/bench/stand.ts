import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connectAsync, type IPublishPacket, type MqttClient } from 'mqtt'

/** An answer as the client sees it. `status` 200 is an answer, anything else a refusal whose JSON is in `body`. */
export interface Answer {
  readonly status: number
  readonly version: string
  readonly body: Buffer
  readonly properties: Readonly<Record<string, string>>
  readonly ms: number
}

export interface PublishOptions {
  readonly contentType: string
  readonly properties?: Readonly<Record<string, string>>
  readonly qos?: 0 | 1
  readonly limitMs?: number
}

export interface StandOptions {
  readonly stateDir?: string
  /** saves: mosquitto writes its database at every change, and survives kill -9; forgets: it is not what everybody waits for. */
  readonly broker?: 'saves' | 'forgets'
}

export const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/**
 * A whole gateway for benchmarks, all real processes: mosquitto with the settings that the README recommends, `quantd run`, and one MQTT 5 client
 * (user `bench`). Everything lives in `folder`, on a free port of loopback.
 */
export class Stand {
  readonly folder = mkdtempSync(join(tmpdir(), 'quantd-bench-'))
  readonly gateway = 'bench'
  #port = 0
  #broker: ChildProcess | undefined
  #daemon: ChildProcess | undefined
  #client: MqttClient | undefined
  readonly #answers = new Map<string, (packet: IPublishPacket) => void>()
  readonly #main = fileURLToPath(new URL('../../src/main.js', import.meta.url))

  /** @param config further lines of quantd.yaml. `stateDir`: a folder elsewhere */
  static async open(config: readonly string[] = [], { stateDir, broker = 'saves' }: StandOptions = {}): Promise<Stand> {
    const stand = new Stand()
    await stand.#open(config, { stateDir: stateDir ?? join(stand.folder, 'state'), broker })
    return stand
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.#port}`
  }

  get client(): MqttClient {
    if (this.#client === undefined) throw new Error('the stand is not open')
    return this.#client
  }

  get daemonPid(): number {
    return this.#daemon?.pid ?? 0
  }

  async #open(config: readonly string[], { stateDir, broker }: Required<StandOptions>): Promise<void> {
    this.#port = await freePort()
    for (const name of ['broker', 'run']) mkdirSync(join(this.folder, name))
    writeFileSync(
      join(this.folder, 'mosquitto.conf'),
      [
        `listener ${this.#port} 127.0.0.1`,
        'allow_anonymous true',
        'set_tcp_nodelay true',
        ...(broker === 'saves'
          ? ['persistence true', `persistence_location ${this.folder}/broker/`, 'autosave_on_changes true', 'autosave_interval 1']
          : []),
        'max_queued_messages 0',
        'user root',
        '',
      ].join('\n'),
    )
    writeFileSync(
      join(this.folder, 'quantd.yaml'),
      [
        `gateway: ${this.gateway}`,
        `state_dir: ${stateDir}`,
        `runtime_dir: ${this.folder}/run`,
        `broker: { url: "${this.url}" }`,
        'http: { listen: "off" }',
        'discovery: { gpu: false, usb: false }',
        'log: { level: warn }',
        ...config,
        '',
      ].join('\n'),
    )
    this.startBroker()
    this.#client = await this.#connect()
    this.#client.on('message', (_topic, _payload, packet) =>
      this.#answers.get(packet.properties?.correlationData?.toString() ?? '')?.(packet),
    )
    await this.#client.subscribeAsync('quantd-reply/bench/#', { qos: 1 })
    this.startDaemon()
    await this.ready()
  }

  startBroker(): void {
    this.#broker = this.#start('/usr/sbin/mosquitto', ['-c', join(this.folder, 'mosquitto.conf')], 'mosquitto.log')
  }

  startDaemon(): void {
    this.#daemon = this.#start(process.execPath, [this.#main, 'run', '--config', join(this.folder, 'quantd.yaml')], 'daemon.log')
  }

  /** kill -9, and wait until it is gone. */
  async kill(what: 'broker' | 'daemon'): Promise<void> {
    const child = what === 'broker' ? this.#broker : this.#daemon
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** SIGTERM; resolves with the exit code. */
  async stopDaemon(): Promise<number | null> {
    if (this.#daemon === undefined) return null
    if (this.#daemon.exitCode !== null || this.#daemon.signalCode !== null) return this.#daemon.exitCode
    const gone = once(this.#daemon, 'exit')
    this.#daemon.kill('SIGTERM')
    return ((await gone) as [number | null])[0]
  }

  /** Until the daemon answers on its control socket. */
  async ready(): Promise<void> {
    for (let attempt = 0; attempt < 600; attempt += 1) {
      if (existsSync(join(this.folder, 'run/control.sock')) && (await this.quantd('models').catch(() => undefined)) !== undefined) return
      await pause(50)
    }
    throw new Error(`the daemon does not come up: see ${this.folder}/daemon.log`)
  }

  /** Runs a command line of ours with --json; its document, also when the result was refused (exit code 4). */
  async quantd(...args: readonly string[]): Promise<unknown> {
    const child = spawn(process.execPath, [this.#main, ...args, '--json', '--config', join(this.folder, 'quantd.yaml')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    child.stdout.on('data', data => {
      out += String(data)
    })
    child.stderr.on('data', data => {
      err += String(data)
    })
    const [code] = (await once(child, 'close')) as [number]
    if (code !== 0 && code !== 4) throw new Error(`quantd ${args.join(' ')}: exit ${code}\n${err}`)
    return JSON.parse(out)
  }

  /** One request over MQTT 5 and its answer. */
  async infer(model: string, body: Uint8Array, options: PublishOptions): Promise<Answer> {
    return this.publish(`quantd/${this.gateway}/infer/${model}/bench`, body, options)
  }

  /** One command over MQTT 5 and its answer, parsed. */
  async command(verb: string, body: object, limitMs = 30_000): Promise<{ status: number; body: Record<string, unknown> }> {
    const answer = await this.publish(`quantd/${this.gateway}/cmd/${verb}/bench`, Buffer.from(JSON.stringify(body)), {
      contentType: 'application/json',
      limitMs,
    })
    return { status: answer.status, body: JSON.parse(answer.body.toString()) as Record<string, unknown> }
  }

  async publish(
    topic: string,
    body: Uint8Array,
    { contentType, properties: given = {}, qos = 1, limitMs = 30_000 }: PublishOptions,
  ): Promise<Answer> {
    const correlation = randomUUID()
    const started = performance.now()
    const packet = await new Promise<IPublishPacket>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer on ${topic} within ${limitMs} ms`)), limitMs)
      this.#answers.set(correlation, found => {
        clearTimeout(timer)
        resolve(found)
      })
      const properties = { responseTopic: 'quantd-reply/bench/one', correlationData: Buffer.from(correlation), contentType }
      const userProperties = { ...given }
      this.client.publish(
        topic,
        Buffer.from(body.buffer, body.byteOffset, body.byteLength),
        // An empty record of user properties makes MQTT.js drop the packet without a word.
        { qos, properties: Object.keys(userProperties).length === 0 ? properties : { ...properties, userProperties } },
        error => {
          if (error) reject(error)
        },
      )
    })
    this.#answers.delete(correlation)
    const said = { ...(packet.properties?.userProperties as Record<string, string> | undefined) }
    return {
      status: Number(said.status),
      version: said['model-version'] ?? '',
      body: packet.payload as Buffer,
      properties: said,
      ms: performance.now() - started,
    }
  }

  /** Ends all processes; removes the folder unless `keep`. */
  async close({ keep = false } = {}): Promise<void> {
    await this.#client?.endAsync(true)
    await this.stopDaemon()
    await this.kill('broker')
    if (!keep) rmSync(this.folder, { recursive: true, force: true })
  }

  async #connect(): Promise<MqttClient> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const client = await connectAsync(this.url, {
          protocolVersion: 5,
          clientId: `bench-${randomUUID()}`,
          clean: false,
          reconnectPeriod: 50,
          properties: { sessionExpiryInterval: 3600 },
        })
        // MQTT.js reports every refused reconnection here; it goes on trying, which is what a bench of broker kills wants.
        client.on('error', () => undefined)
        return client
      } catch (error) {
        if (attempt > 100) throw error
        await pause(50)
      }
    }
  }

  #start(command: string, args: readonly string[], log: string): ChildProcess {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr?.on('data', data => writeFileSync(join(this.folder, log), data, { flag: 'a' }))
    return child
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** The p-th share of sorted or unsorted `values`, by nearest rank. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN
}

/** Mulberry32: seeded numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
