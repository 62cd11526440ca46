/**
 * kill.js [--daemon N] [--broker N] [--seed N]   kill -9 under load, with swaps: what the delivery promise is worth.
 *
 * A client keeps 8 QoS 1 requests in flight and activates the two versions of one model in turn. The daemon is killed at N random moments and started
 * again, then mosquitto N times. At the end: every request that the broker acknowledged was answered, no request got two different answers, every answer
 * is exactly one version's, all databases pass integrity_check, and the active version is one of the two. Exits with 1 otherwise; prints one JSON line.
 *
 * mosquitto saves just after it acknowledges, so its own death may cost what lies between. A client that minds sends an unanswered request again with the
 * same correlation data, as the contract says: `sentAgain` counts those, and the journal sees to it that they are not answered twice differently.
 */
import { createHash, randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Sqlite } from '../../src/gateway/store/sqlite.js'
import { packageRoot } from '../../src/paths.js'
import { pause, Stand, seeded } from './stand.js'

const { values } = parseArgs({
  options: {
    daemon: { type: 'string', default: '100' },
    broker: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
})
const model = 'fashion-resnet'
const random = seeded(Number(values.seed))
const stand = await Stand.open()
await stand.quantd('load', join(packageRoot, 'src/demo/data/bundle'))
await stand.quantd('requantize', model, '--source', 'bundle', '--activate', 'manual')
const versions = ['1', '2']

/** correlation -> the picture, whether the broker acknowledged, the distinct answers (hash of body -> status and version). */
const requests = new Map<
  string,
  { readonly picture: number; readonly phase: 'daemon' | 'broker'; acknowledged: boolean; readonly answers: Map<string, string> }
>()
const pictures = Array.from({ length: 32 }, () => Buffer.from(Uint8Array.from({ length: 784 }, () => Math.floor(random() * 256))))
let inFlight = 0
let sending = true
let phase: 'daemon' | 'broker' = 'daemon'

function fill(): void {
  while (sending && inFlight < 8) {
    inFlight += 1
    const correlation = randomUUID()
    const picture = Math.floor(random() * pictures.length)
    const request = { picture, phase, acknowledged: false, answers: new Map<string, string>() }
    requests.set(correlation, request)
    send(correlation, request)
  }
}

function send(correlation: string, request: { readonly picture: number; acknowledged: boolean }): void {
  const properties = {
    responseTopic: 'quantd-reply/bench/load',
    correlationData: Buffer.from(correlation),
    contentType: 'application/octet-stream',
  }
  stand.client.publish(`quantd/${stand.gateway}/infer/${model}/bench`, pictures[request.picture]!, { qos: 1, properties }, error => {
    if (!error) request.acknowledged = true
  })
}

stand.client.on('message', (topic, payload, packet) => {
  if (!topic.endsWith('/load')) return
  const request = requests.get(packet.properties?.correlationData?.toString() ?? '')
  if (request === undefined) return
  if (request.answers.size === 0) inFlight -= 1
  const said = packet.properties?.userProperties as Record<string, string> | undefined
  // The answer names its request: what must be equal for equal pictures is the outputs.
  const outputs = said?.status === '200' ? JSON.stringify((JSON.parse(payload.toString()) as { outputs: unknown }).outputs) : payload
  request.answers.set(createHash('sha256').update(outputs).digest('hex'), `${said?.status}:${said?.['model-version'] ?? '-'}`)
  fill()
})
fill()

let swapping = true
let swaps = 0
const swapper = (async () => {
  while (swapping) {
    // A command whose daemon dies is answered by nobody: the next round asks again.
    const answer = await stand.command('activate', { model, version: versions[swaps % 2]!, force: true }, 2000).catch(() => undefined)
    if (answer?.status === 200) swaps += 1
    await pause(20)
  }
})()

const started = Date.now()
for (let kills = 0; kills < Number(values.daemon); kills += 1) {
  await pause(300 + random() * 1200)
  await stand.kill('daemon')
  stand.startDaemon()
}
await pause(3000)
phase = 'broker'
for (let kills = 0; kills < Number(values.broker); kills += 1) {
  await pause(1200 + random() * 800)
  await stand.kill('broker')
  stand.startBroker()
}
await pause(2000)
swapping = false
sending = false
await swapper
const unanswered = () => [...requests].filter(([, { acknowledged, answers }]) => acknowledged && answers.size === 0)
const settle = async () => {
  for (let waited = 0; unanswered().length > 0 && waited < 30_000; waited += 200) await pause(200)
}
await settle()
const lostByDaemon = unanswered().filter(([, request]) => request.phase === 'daemon').length
const again = unanswered()
for (const [correlation, request] of again) send(correlation, request)
await settle()

await stand.ready()
const models = (await stand.quantd('models')) as readonly { readonly name: string; readonly active: string }[]
await stand.stopDaemon()
const databases = readdirSync(join(stand.folder, 'state'), { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.db'))
const broken = databases.filter(file => {
  const db = new Sqlite(join(stand.folder, 'state', file))
  const verdict = db.pragma('integrity_check', { simple: true })
  db.close()
  return verdict !== 'ok'
})
/** Each picture has one right answer per version. */
const answersOf = new Map<string, Set<string>>()
let refused = 0
for (const { picture, answers } of requests.values())
  for (const [hash, kind] of answers) {
    if (!kind.startsWith('200:')) refused += 1
    else answersOf.set(`${picture}:${kind}`, (answersOf.get(`${picture}:${kind}`) ?? new Set()).add(hash))
  }
const result = {
  daemonKills: Number(values.daemon),
  brokerKills: Number(values.broker),
  seconds: Math.round((Date.now() - started) / 1000),
  swaps,
  requests: requests.size,
  acknowledged: [...requests.values()].filter(({ acknowledged }) => acknowledged).length,
  lostWithoutBrokerKill: lostByDaemon,
  sentAgain: again.length,
  lost: unanswered().length,
  answeredTwiceDifferently: [...requests.values()].filter(({ answers }) => answers.size > 1).length,
  wrongAnswers: [...answersOf.values()].filter(hashes => hashes.size > 1).length,
  refused,
  databases: databases.length,
  broken,
  active: models.find(({ name }) => name === model)?.active,
}
const good =
  lostByDaemon === 0 &&
  result.lost === 0 &&
  result.answeredTwiceDifferently === 0 &&
  result.wrongAnswers === 0 &&
  broken.length === 0 &&
  versions.includes(String(result.active))
process.stdout.write(`${JSON.stringify({ good, ...result })}\n`)
await stand.close({ keep: !good })
if (!good) process.stdout.write(`kept: ${stand.folder}\n`)
process.exit(good ? 0 : 1)
