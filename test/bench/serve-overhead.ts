/**
 * serve-overhead.js [--count N] [--rounds N] [--persistent] [--peer PYTHON] [--json]   everything but inference: what a request costs around its model.
 *
 * A null model (150,528 bytes of uint8 in, 1000 floats out as JSON) behind mosquitto on loopback with TCP_NODELAY, all real processes, one load client. By durability
 * and QoS, one at a time and 8 in flight; and what a user would write instead (../shared/peers/serve.py: paho-mqtt, raw bytes in, JSON out, no journal), in turns in
 * the same run. Rounds alternate, the median round of each row is shown. `--persistent`: mosquitto writes its own database at each change, as it should where its
 * word is to survive a power cut, and becomes what everybody waits for.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureServe, type ServeLoadResult } from '../../src/cli/bench/serve-load.js'
import { packageRoot } from '../../src/paths.js'
import { Mosquitto } from '../fixtures/mqtt/mosquitto.js'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1500' },
    rounds: { type: 'string', default: '3' },
    peer: { type: 'string', default: '/tmp/peers/bin/python' },
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    persistent: { type: 'boolean', default: false },
  },
})
const body = Buffer.alloc(150_528, 90)

const broker = await Mosquitto.start({ persistence: values.persistent ? 'each change' : 'nothing' })
const children: ChildProcess[] = []
const start = async (command: string, args: readonly string[]) => {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  await Promise.race([once(child.stdout!, 'data'), once(child, 'exit').then(() => Promise.reject(new Error(`${command} ended`)))])
  child.stdout!.resume()
}
await start(process.execPath, [join(import.meta.dirname, '../fixtures/mqtt/null-gateway.js'), broker.url])
const peer = join(packageRoot, '../shared/peers/serve.py')
const hasPeer = existsSync(values.peer) && existsSync(peer)
if (hasPeer) await start(values.peer, [peer, 'null', String(broker.port)])

interface Row {
  readonly name: string
  readonly qos: 0 | 1
  readonly inFlight: number
  readonly peer?: true
  readonly model: string
}
const rows: Row[] = [1, 8].flatMap(inFlight => [
  { name: 'quantd, memory', qos: 0 as const, inFlight, model: 'journal' },
  { name: 'quantd, durability none', qos: 1 as const, inFlight, model: 'none' },
  { name: 'quantd, durability broker', qos: 1 as const, inFlight, model: 'broker' },
  { name: 'quantd, durability journal', qos: 1 as const, inFlight, model: 'journal' },
  ...(hasPeer ? [0, 1].map(qos => ({ name: 'serve.py, no journal', qos: qos as 0 | 1, inFlight, model: '', peer: true as const })) : []),
])
const results = new Map<Row, ServeLoadResult[]>()
for (let round = 0; round < Number(values.rounds); round += 1)
  for (const row of rows) {
    if (values.only !== undefined && !`${row.name} qos${row.qos} x${row.inFlight}`.includes(values.only)) continue
    const result = await measureServe({
      url: broker.url,
      gateway: 'bench',
      model: row.model,
      qos: row.qos,
      inFlight: row.inFlight,
      count: Math.round(Number(values.count) / (row.inFlight === 1 ? 3 : 1)),
      body,
      contentType: 'application/octet-stream',
      ...(row.peer ? { topic: 'peer/infer/raw', replyTopic: 'peer-reply/bench' } : {}),
    })
    results.set(row, [...(results.get(row) ?? []), result])
  }
const medianOf = (found: readonly ServeLoadResult[]) =>
  [...found].sort((a, b) => a.requestsPerSecond - b.requestsPerSecond)[Math.floor(found.length / 2)]!
const table = rows.filter(row => results.has(row)).map(row => ({ ...row, ...medianOf(results.get(row)!) }))
if (values.json) process.stdout.write(`${JSON.stringify(table)}\n`)
else
  for (const { name, qos, inFlight, requestsPerSecond, p50Ms, p95Ms, p99Ms, failed, stagesUs } of table) {
    const stages = Object.entries(stagesUs)
      .map(([stage, us]) => `${stage} ${us}`)
      .join(' ')
    process.stdout.write(
      `${name.padEnd(27)} qos${qos} x${inFlight}  ${requestsPerSecond.toFixed(0).padStart(5)} req/s  p50 ${p50Ms.toFixed(2)}  p95 ${p95Ms.toFixed(2)}  p99 ${p99Ms.toFixed(2)} ms  failed ${failed}  us: ${stages}\n`,
    )
  }
for (const child of children.reverse()) {
  const gone = once(child, 'exit')
  child.kill()
  await gone
}
await broker.close()
