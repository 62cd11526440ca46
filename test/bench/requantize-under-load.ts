/**
 * requantize-under-load.js [--requests N] [--saves]   what a re-quantization costs those who are being served.
 *
 * fashion-resnet over mosquitto, 8 QoS 1 requests in flight without pause, captured as they come; then `requantize` on what was captured, activated at the
 * end while requests go on. `--saves`: mosquitto writes its database at every change, and most of every latency is its disk's. Prints one JSON line: failed, lost, answered twice differently, p99 before / during / after, and the job's sentence.
 */
import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { demoData, readSite } from '../../src/demo/site.js'
import { pause, quantile, Stand } from './stand.js'

const { values } = parseArgs({ options: { requests: { type: 'string', default: '3000' }, saves: { type: 'boolean', default: false } } })
const model = 'fashion-resnet'
const site = await readSite()
const stand = await Stand.open([], { broker: values.saves ? 'saves' : 'forgets' })
await stand.quantd('load', join(demoData, 'bundle'))

type Phase = 'before' | 'during' | 'after'
let phase: Phase = 'before'
const times: Record<Phase, number[]> = { before: [], during: [], after: [] }
const requests = new Map<
  string,
  { readonly at: number; readonly picture: number; readonly answers: Map<string, string>; readonly phase: Phase }
>()
const versions: Record<string, number> = {}
let inFlight = 0
let sending = true
let sent = 0
let wrongStatus = 0

function fill(): void {
  while (sending && inFlight < 8) {
    inFlight += 1
    const correlation = randomUUID()
    const picture = sent % site.length
    sent += 1
    requests.set(correlation, { at: performance.now(), picture, answers: new Map(), phase })
    const properties = {
      responseTopic: 'quantd-reply/bench/load',
      correlationData: Buffer.from(correlation),
      contentType: 'application/octet-stream',
      userProperties: { id: correlation },
    }
    stand.client.publish(`quantd/${stand.gateway}/infer/${model}/bench`, Buffer.from(site[picture]!.pixels), { qos: 1, properties })
  }
}

stand.client.on('message', (topic, payload, packet) => {
  if (!topic.endsWith('/load')) return
  const correlation = packet.properties?.correlationData?.toString() ?? ''
  const request = requests.get(correlation)
  if (request === undefined) return
  const said = packet.properties?.userProperties as Record<string, string> | undefined
  if (request.answers.size === 0) {
    inFlight -= 1
    times[request.phase].push(performance.now() - request.at)
    if (said?.status !== '200') wrongStatus += 1
    versions[said?.['model-version'] ?? '-'] = (versions[said?.['model-version'] ?? '-'] ?? 0) + 1
    if (request.phase === 'before')
      stand.client.publish(
        `quantd/${stand.gateway}/feedback/${model}/bench`,
        JSON.stringify({ id: correlation, label: site[request.picture]!.label }),
        { qos: 1 },
      )
  }
  request.answers.set(createHash('sha256').update(payload).digest('hex'), said?.['model-version'] ?? '-')
  fill()
})
fill()
while (requests.size < Number(values.requests)) await pause(50)
phase = 'during'
interface Job {
  readonly state: string
  readonly sentence?: string
  readonly version?: string
}

// Over MQTT, as an operator far away would: a command line of ours would take the processor for half a second to start.
const ended = new Promise<Job>(resolve => {
  stand.client.on('message', (topic, payload) => {
    if (!topic.startsWith(`quantd/${stand.gateway}/jobs/`)) return
    const found = JSON.parse(payload.toString()) as Job
    if (!['queued', 'running'].includes(found.state)) resolve(found)
  })
})
await stand.client.subscribeAsync(`quantd/${stand.gateway}/jobs/#`, { qos: 1 })
await stand.command('requantize', { model })
const job = await ended
phase = 'after'
const until = requests.size + Number(values.requests)
while (requests.size < until) await pause(50)
sending = false
for (let waited = 0; inFlight > 0 && waited < 30_000; waited += 100) await pause(100)

const round = (value: number) => Math.round(value * 100) / 100
const p99 = {
  before: round(quantile(times.before, 0.99)),
  during: round(quantile(times.during, 0.99)),
  after: round(quantile(times.after, 0.99)),
}
const result = {
  job: { state: job.state, version: job.version, sentence: job.sentence },
  requests: requests.size,
  during: times.during.length,
  failed: wrongStatus,
  lost: [...requests.values()].filter(({ answers }) => answers.size === 0).length,
  answeredTwiceDifferently: [...requests.values()].filter(({ answers }) => answers.size > 1).length,
  versions,
  p50: { before: round(quantile(times.before, 0.5)), during: round(quantile(times.during, 0.5)), after: round(quantile(times.after, 0.5)) },
  p99,
  ratio: round(p99.during / p99.before),
}
process.stdout.write(`${JSON.stringify(result)}\n`)
const log = readFileSync(join(stand.folder, 'daemon.log'), { encoding: 'utf8', flag: 'a+' })
if (log !== '') process.stderr.write(log)
await stand.close()
