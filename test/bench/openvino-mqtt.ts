/**
 * openvino-mqtt.js BUNDLE MADE [--shape {"x":[1,3,48,320]}] [--rounds N] [--count N] [--hint throughput]   what MQTT adds to an int8 model on OpenVINO.
 *
 * A running daemon behind mosquitto on loopback with TCP_NODELAY, all real processes; it serves the IR that `quantd quantize BUNDLE/*.onnx --device openvino-cpu --out
 * MADE` wrote. In turns: the engine alone in this process, the same request over MQTT at QoS 0 one at a time, and on a gateway beside it a null model that takes and
 * gives as many bytes and the null model of the main job (150,528 bytes in, 1000 floats out): what is there without any inference; and a process that answers as many
 * bytes and does nothing else: what client, broker and MQTT.js take by themselves. Then 8 in flight. Medians over the rounds.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measureServe, type ServeLoad, type ServeLoadResult } from '../../src/cli/bench/serve-load.js'
import { Config } from '../../src/config/schema.js'
import { startDaemon } from '../../src/daemon.js'
import { openvinoEngine } from '../../src/engines/openvino/engine.js'
import { packIr } from '../../src/graph/ir/packed-ir.js'
import { dtypes } from '../../src/graph/tensor/dtype.js'
import { elementCount, type Tensor } from '../../src/graph/tensor/tensor.js'
import { setLogLevel } from '../../src/log.js'
import { keepFreedMemory } from '../../src/process/memory.js'
import { relaxHeap } from '../../src/process/relax-heap.js'
import { encodeRequest } from '../../src/samples/encode-request.js'
import { Mosquitto } from '../fixtures/mqtt/mosquitto.js'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    shape: { type: 'string', default: '{}' },
    rounds: { type: 'string', default: '5' },
    count: { type: 'string', default: '200' },
    hint: { type: 'string', default: 'latency' },
    daemon: { type: 'string' },
  },
})
const [bundle, made] = positionals
if (bundle === undefined || made === undefined) throw new Error('usage: openvino-mqtt BUNDLE MADE [--shape {"input":[1,3,48,320]}]')
const model = 'served'
const gateway = 'bench'
const folder = mkdtempSync(join(tmpdir(), 'quantd-openvino-mqtt-'))

/** The daemon process: the IR as a version on OpenVINO, active. Says 'ready' on stdout. */
async function runDaemon(url: string): Promise<void> {
  setLogLevel('error')
  relaxHeap()
  await keepFreedMemory()
  const config = {
    gateway,
    state_dir: folder,
    runtime_dir: folder,
    broker: { url },
    serving: { hint: values.hint },
    http: { listen: 'off' },
  }
  const { services, close } = await startDaemon(Config.parse({ ...config, discovery: { gpu: false, usb: false } }))
  process.once('SIGTERM', async () => {
    await close()
    rmSync(folder, { recursive: true, force: true })
    process.exit()
  })
  const { name } = await services.models.load(bundle!, { name: model })
  const packed = join(folder, 'packed')
  writeFileSync(packed, packIr({ xml: readFileSync(join(made!, 'model.xml'), 'utf8'), bin: readFileSync(join(made!, 'model.bin')) }))
  while (!services.devices().some(({ id }) => id === 'openvino-cpu')) await new Promise(resolve => setTimeout(resolve, 50))
  const { version } = await services.models.addVersion(name, { model: packed, report: join(made!, 'report.json'), device: 'openvino-cpu' })
  for (;;) {
    try {
      await services.models.activate(name, version, { force: true })
      break
    } catch (error) {
      // Its worker is being started.
      if ((error as { code?: string }).code !== 'ERR_MODEL_DEVICE') throw error
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
  process.stdout.write('ready\n')
}

const median = (list: readonly number[]) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!

async function measure(): Promise<void> {
  const broker = await Mosquitto.start({ persistence: 'nothing' })
  const children: ChildProcess[] = []
  const start = async (entry: string, args: readonly string[]) => {
    const child = spawn(process.execPath, [entry, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    await Promise.race([once(child.stdout!, 'data'), once(child, 'exit').then(() => Promise.reject(new Error(`${entry} ended`)))])
    child.stdout!.resume()
  }
  await start(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--daemon', broker.url])
  const threads = Math.max(1, Math.floor(availableParallelism() / 2))
  const session = await openvinoEngine.open(join(made!, 'model.xml'), { threads })
  const given = JSON.parse(values.shape) as Readonly<Record<string, readonly number[]>>
  const feeds = Object.fromEntries(
    session.inputs.map(({ name, dtype, shape }): [string, Tensor] => {
      const sizes = given[name] ?? shape.map(size => Number(size ?? 1))
      const data = new dtypes[dtype].array!(elementCount(sizes))
      data.fill((typeof data[0] === 'bigint' ? 1n : 1) as never)
      return [name, { dtype, shape: sizes, data }]
    }),
  )
  const answers = await session.infer(feeds)
  const answerBytes = Object.values(answers).reduce((sum, { data }) => sum + data.byteLength, 0)
  const specOf = (tensors: Readonly<Record<string, Tensor>>) =>
    Object.entries(tensors).map(([name, { dtype, shape }]) => ({ name, dtype, shape }))
  await start(join(import.meta.dirname, '../fixtures/mqtt/null-gateway.js'), [
    broker.url,
    mkdtempSync(join(folder, 'null-')),
    'null',
    JSON.stringify({ inputs: specOf(feeds), outputs: specOf(answers) }),
  ])
  const { contentType, body, jsonLength } = encodeRequest(feeds, { form: 'oip' })
  await start(join(import.meta.dirname, '../fixtures/mqtt/echo.js'), [broker.url, 'echo/infer', String(answerBytes)])
  const count = Number(values.count)
  const load = (more: Pick<ServeLoad, 'inFlight' | 'count' | 'gateway' | 'model' | 'topic'>) =>
    measureServe({
      url: broker.url,
      qos: 0,
      body,
      contentType,
      properties: { 'json-len': String(jsonLength) },
      warmUp: 20,
      ...more,
    })
  const nothing = { url: broker.url, gateway: 'null', model: 'journal', qos: 0, body: Buffer.alloc(150_528, 90) } as const
  const engine: number[] = []
  const served: ServeLoadResult[] = []
  const overhead: number[] = []
  const like: number[] = []
  const echoed: number[] = []
  const many: number[] = []
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const times: number[] = []
    for (let index = 0; index < count; index += 1) {
      const started = performance.now()
      await session.infer(feeds)
      times.push(performance.now() - started)
    }
    engine.push(median(times))
    served.push(await load({ gateway, model, inFlight: 1, count }))
    like.push((await load({ gateway: 'null', model: 'like', inFlight: 1, count })).p50Ms)
    echoed.push((await load({ gateway: 'none', model: 'none', topic: 'echo/infer', inFlight: 1, count })).p50Ms)
    overhead.push((await measureServe({ ...nothing, contentType: 'application/octet-stream', inFlight: 1, count })).p50Ms)
    many.push((await load({ gateway, model, inFlight: 8, count })).requestsPerSecond)
  }
  const failed = served.reduce((sum, result) => sum + result.failed, 0)
  const p50 = median(served.map(({ p50Ms }) => p50Ms))
  const stages = served[0]!.stagesUs
  const ms = (value: number) => `${value.toFixed(2)} ms`
  process.stdout.write(
    `${made}: ${body.byteLength} bytes in, ${answerBytes} out; engine alone ${ms(median(engine))}, over MQTT p50 ${ms(p50)}, ` +
      `more ${ms(median(served.map(({ p50Ms }, round) => p50Ms - engine[round]!)))}; null model of these sizes ${ms(median(like))}, broker alone ${ms(median(echoed))}, null model of the main job ${ms(median(overhead))}; 8 in flight ${median(many).toFixed(0)} a second; failed ${failed}\n` +
      `  us: ${Object.entries(stages)
        .map(([stage]) => `${stage} ${median(served.map(({ stagesUs }) => stagesUs[stage]!))}`)
        .join(' ')}\n`,
  )
  await session.close()
  for (const child of children.reverse()) {
    const gone = once(child, 'exit')
    child.kill()
    await gone
  }
  await broker.close()
  rmSync(folder, { recursive: true, force: true })
}

if (values.daemon === undefined) await measure()
else await runDaemon(values.daemon)
