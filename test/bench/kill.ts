/**
 * kill.js [--daemon N] [--broker N] [--seed N]   kill -9 under load, with swaps: what the delivery promise is worth.
 *
 * A mosquitto with the settings that the README recommends, a daemon with two versions of one model, a client that keeps 8 QoS 1 requests in flight,
 * and a command client that activates the versions in turn. The daemon is killed at N random moments and started again, then mosquitto N times. At the end:
 * every request that the broker acknowledged was answered, no request got two different answers, every answer is exactly one version's, all databases
 * pass integrity_check, and the active version is one of the two. Exits with 1 otherwise; prints one JSON line.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Database from 'better-sqlite3'
import { connectAsync, type MqttClient } from 'mqtt'
import { packageRoot } from '../../src/paths.js'

const { values } = parseArgs({
  options: {
    daemon: { type: 'string', default: '100' },
    broker: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'quantd-kill-'))
const bundle = join(packageRoot, 'src/demo/data/bundle')
const model = 'fashion-resnet'
const children = new Set<ChildProcess>()
const random = mulberry32(Number(values.seed))

function mulberry32(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
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

function start(command: string, args: readonly string[], log: string): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  child.stderr?.on('data', data => writeFileSync(join(folder, log), data, { flag: 'a' }))
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

const port = await freePort()
const url = `mqtt://127.0.0.1:${port}`
mkdirSync(join(folder, 'broker'))
writeFileSync(
  join(folder, 'mosquitto.conf'),
  [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'set_tcp_nodelay true',
    'persistence true',
    `persistence_location ${folder}/broker/`,
    'autosave_on_changes true',
    'autosave_interval 1',
    'max_queued_messages 0',
    'user root',
    '',
  ].join('\n'),
)
writeFileSync(
  join(folder, 'quantd.yaml'),
  [
    'gateway: kill',
    `state_dir: ${folder}/state`,
    `runtime_dir: ${folder}/run`,
    'broker:',
    `  url: ${url}`,
    'http: { listen: "off" }',
    'discovery: { gpu: false, usb: false }',
    'log: { level: warn }',
    '',
  ].join('\n'),
)
mkdirSync(join(folder, 'run'))

const startBroker = () => start('/usr/sbin/mosquitto', ['-c', join(folder, 'mosquitto.conf')], 'mosquitto.log')
const startDaemon = () =>
  start(process.execPath, [join(packageRoot, 'dist/src/main.js'), 'run', '--config', join(folder, 'quantd.yaml')], 'daemon.log')

let broker = startBroker()
const client: MqttClient = await connect(`load-${randomUUID()}`)
let daemon = startDaemon()

/** A client of the test: keeps its session, retries for ever. */
async function connect(clientId: string): Promise<MqttClient> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const connected = await connectAsync(url, {
        protocolVersion: 5,
        clientId,
        clean: false,
        reconnectPeriod: 50,
        properties: { sessionExpiryInterval: 3600 },
      })
      connected.on('error', () => connected.reconnecting)
      return connected
    } catch (error) {
      if (attempt > 100) throw error
      await pause(50)
    }
  }
}

/** One command over MQTT, sent again until it is answered. */
async function command(verb: string, body: object): Promise<{ status: number; body: Record<string, unknown> }> {
  const correlation = randomUUID()
  for (;;) {
    const answer = new Promise<{ status: number; body: Record<string, unknown> }>(resolve => waiting.set(correlation, resolve))
    client.publish(`quantd/kill/cmd/${verb}/killer`, JSON.stringify(body), {
      qos: 1,
      properties: {
        responseTopic: 'quantd-reply/killer/cmd',
        correlationData: Buffer.from(correlation),
        messageExpiryInterval: 30,
        contentType: 'application/json',
      },
    })
    const found = await Promise.race([answer, pause(3000).then(() => undefined)])
    if (found !== undefined) return found
  }
}

const waiting = new Map<string, (answer: { status: number; body: Record<string, unknown> }) => void>()
/** correlation -> the picture, whether the broker acknowledged, the distinct answers (hash of body, version). */
const requests = new Map<string, { picture: number; acknowledged: boolean; answers: Map<string, string> }>()
const jobs = new Map<string, (state: string) => void>()
let inFlight = 0
let sending = false

const pictures = Array.from({ length: 32 }, () => Buffer.from(Uint8Array.from({ length: 784 }, () => Math.floor(random() * 256))))

function fill(): void {
  while (sending && inFlight < 8) {
    inFlight += 1
    const correlation = randomUUID()
    const picture = Math.floor(random() * pictures.length)
    const request = { picture, acknowledged: false, answers: new Map<string, string>() }
    requests.set(correlation, request)
    client.publish(
      `quantd/kill/infer/${model}/killer`,
      pictures[picture]!,
      {
        qos: 1,
        properties: {
          responseTopic: 'quantd-reply/killer/infer',
          correlationData: Buffer.from(correlation),
          contentType: 'application/octet-stream',
        },
      },
      error => {
        if (!error) request.acknowledged = true
      },
    )
  }
}

function listen(): void {
  client.on('message', (topic, payload, packet) => {
    const correlation = packet.properties?.correlationData?.toString() ?? ''
    if (topic.startsWith('quantd/kill/jobs/')) {
      const job = JSON.parse(payload.toString()) as { job_id: string; state: string }
      if (!['queued', 'running'].includes(job.state)) jobs.get(job.job_id)?.(job.state)
      return
    }
    const properties = packet.properties?.userProperties as Record<string, string> | undefined
    if (topic.endsWith('/cmd')) {
      waiting.get(correlation)?.({ status: Number(properties?.status), body: JSON.parse(payload.toString()) as Record<string, unknown> })
      return
    }
    const request = requests.get(correlation)
    if (request === undefined) return
    if (request.answers.size === 0) inFlight -= 1
    request.answers.set(createHash('sha256').update(payload).digest('hex'), `${properties?.status}:${properties?.['model-version'] ?? '-'}`)
    fill()
  })
}

listen()
await client.subscribeAsync(['quantd-reply/killer/#', 'quantd/kill/jobs/#'], { qos: 1 })

/** Runs a command line of ours and returns its stdout. */
async function quantd(...args: string[]): Promise<string> {
  const child = spawn(
    process.execPath,
    [join(packageRoot, 'dist/src/main.js'), ...args, '--json', '--config', join(folder, 'quantd.yaml')],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let out = ''
  child.stdout.on('data', data => {
    out += String(data)
  })
  const [code] = (await once(child, 'exit')) as [number]
  if (code !== 0 && code !== 4) throw new Error(`quantd ${args.join(' ')}: exit ${code}`)
  return out
}

async function ready(): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    if (readdirSync(join(folder, 'run')).includes('control.sock')) return
    await pause(50)
  }
  throw new Error('the daemon does not come up')
}

await ready()
await quantd('load', bundle)
await quantd('requantize', model, '--source', 'bundle', '--activate', 'manual')
const versions = ['1', '2']
await command('activate', { model, version: '2', force: true })

sending = true
fill()
let swapping = true
let swaps = 0
const swapper = (async () => {
  while (swapping) {
    const { status } = await command('activate', { model, version: versions[swaps % 2]!, force: true })
    if (status === 200) swaps += 1
    await pause(20)
  }
})()

const started = Date.now()
for (let kills = 0; kills < Number(values.daemon); kills += 1) {
  await pause(100 + random() * 900)
  await kill(daemon)
  daemon = startDaemon()
}
for (let kills = 0; kills < Number(values.broker); kills += 1) {
  await pause(1200 + random() * 800)
  await kill(broker)
  broker = startBroker()
}
await pause(2000)
swapping = false
sending = false
await swapper
const unanswered = () => [...requests.values()].filter(({ acknowledged, answers }) => acknowledged && answers.size === 0).length
for (let waited = 0; unanswered() > 0 && waited < 60_000; waited += 200) await pause(200)

const active = JSON.parse(await quantd('models')) as { name: string; active: string }[]
await command('drain', {})
const stopped = once(daemon, 'exit')
daemon.kill('SIGTERM')
await stopped
const broken = databases(join(folder, 'state')).filter(file => {
  const db = new Database(file)
  const verdict = db.pragma('integrity_check', { simple: true })
  db.close()
  return verdict !== 'ok'
})
/** For each picture and version there is exactly one right answer. */
const right = new Map<string, Set<string>>()
let refused = 0
for (const { picture, answers } of requests.values())
  for (const [hash, kind] of answers) {
    if (!kind.startsWith('200:')) refused += 1
    else right.set(`${picture}:${kind}`, (right.get(`${picture}:${kind}`) ?? new Set()).add(hash))
  }
const result = {
  daemonKills: Number(values.daemon),
  brokerKills: Number(values.broker),
  seconds: Math.round((Date.now() - started) / 1000),
  swaps,
  requests: requests.size,
  acknowledged: [...requests.values()].filter(({ acknowledged }) => acknowledged).length,
  lost: unanswered(),
  answeredTwiceDifferently: [...requests.values()].filter(({ answers }) => answers.size > 1).length,
  wrongAnswers: [...right.values()].filter(hashes => hashes.size > 1).length,
  refused,
  brokenDatabases: broken,
  active: active.find(({ name }) => name === model)?.active,
}
await client.endAsync()
await kill(broker)
const good =
  result.lost === 0 &&
  result.answeredTwiceDifferently === 0 &&
  result.wrongAnswers === 0 &&
  broken.length === 0 &&
  versions.includes(String(result.active))
process.stdout.write(`${JSON.stringify({ good, ...result })}\n`)
if (good) rmSync(folder, { recursive: true })
else process.stdout.write(`kept: ${folder}\n${readFileSync(join(folder, 'daemon.log'), 'utf8').split('\n').slice(-20).join('\n')}\n`)
process.exit(good ? 0 : 1)

function databases(where: string): string[] {
  return readdirSync(where, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.db'))
    .map(file => join(where, file))
}
