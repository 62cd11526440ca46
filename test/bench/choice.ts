/**
 * choice.js SHARED SAMPLES [--bundles FOLDER --data FOLDER] [--items 300] [--held-out 300] [--again 0] [--json FILE] [MODEL...]
 *
 * What the daemon chooses to serve, and whether it is the fastest form that it may. For each model of SHARED/models (samples: SAMPLES/NAME-calib.npz and
 * NAME-test.npz, by SHARED/peers/samples.py) and each bundle (FOLDER/NAME, samples in DATA/NAME-calib.npz and NAME-test.npz): load, answer `--items`
 * calibration and `--held-out` test samples over MQTT with capture on, their labels by feedback, then requantize for all devices. OPENVINO_DIR says where
 * OpenVINO is; without it there is one engine. Prints how long the job took, the peak of its worker's memory, all forms, and the sentence of the choice.
 * `--again SECONDS` times every form once more by `quantd bench device` and tells where the order came out otherwise. Ends with 1 where the form that
 * answers is not the fastest allowed one and the report does not say why.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readModelFile } from '../../src/graph/ir/model-file.js'
import type { NumericDType } from '../../src/graph/tensor/dtype.js'
import { choiceSentence, rowName } from '../../src/quantization/report/choice-sentence.js'
import { formatChoice } from '../../src/quantization/report/choice-table.js'
import type { ChoiceEntry } from '../../src/quantization/report/report.js'
import { readBundle } from '../../src/samples/bundle.js'
import { encodeRequest } from '../../src/samples/encode-request.js'
import { openNpz } from '../../src/samples/npz.js'
import type { Label } from '../../src/samples/sample.js'
import { pause, Stand } from './stand.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    bundles: { type: 'string' },
    data: { type: 'string' },
    items: { type: 'string', default: '300' },
    'held-out': { type: 'string', default: '300' },
    again: { type: 'string', default: '0' },
    json: { type: 'string' },
  },
})
const [shared, samples, ...asked] = positionals
if (shared === undefined || samples === undefined) throw new Error('choice.js SHARED SAMPLES [--bundles FOLDER --data FOLDER] [MODEL...]')

const small = ['fashion-resnet', 'fashion-mobile', 'fashion-elu', 'fashion-outlier', 'lang-transformer', 'sensor-gru', 'ratings-mlp']
const real = ['rec', 'det', 'blazeface']
const names = asked.length > 0 ? asked : [...small, ...(values.bundles === undefined ? [] : real)]

interface Job {
  readonly state: string
  readonly sentence?: string
  readonly candidates?: readonly ChoiceEntry[]
  readonly created_at: string
  readonly finished_at: string
}

interface Result {
  readonly model: string
  readonly seconds: number
  readonly workerMiB: number
  readonly job: Job
  readonly complaint: string | undefined
}

/** The bundle of a model of SHARED: its file and what its task is. */
function sharedBundle(folder: string, name: string): string {
  const bundle = join(folder, name)
  mkdirSync(bundle)
  copyFileSync(join(shared!, 'models', `${name}.onnx`), join(bundle, `${name}.onnx`))
  const task = name.startsWith('ratings') ? 'regression' : 'classification'
  writeFileSync(join(bundle, 'model.json'), JSON.stringify({ name, task }))
  return bundle
}

/** Answers the first `count` samples of an archive, and tells the labels of those that have one. */
async function feed(stand: Stand, { model, bundle, archive, count }: { model: string; bundle: string; archive: string; count: number }) {
  const { manifest, model: file, close } = await readBundle(bundle)
  const inputs = readModelFile(file.path).model.graph.inputs.map(({ name, dtype, shape = [] }) => ({
    name,
    dtype: dtype as NumericDType,
    shape,
  }))
  const source = await openNpz(archive, { inputs, manifest })
  const labels: Promise<void>[] = []
  // One after the other: capture then parts the same samples the same way in every run.
  for (let index = 0; index < Math.min(count, source.count); index += 1) {
    const { inputs: feeds, label } = await source.read(index)
    const id = `${archive}-${index}`
    const { contentType, jsonLength, body } = encodeRequest(feeds, { form: 'oip' })
    const properties = { id, ...(jsonLength === undefined ? {} : { 'json-len': String(jsonLength) }) }
    const answer = await stand.infer(model, body, { contentType, properties, qos: 0 })
    if (answer.status !== 200) throw new Error(`${model}: ${answer.status} ${answer.body.toString()}`)
    if (label !== undefined) labels.push(tell(stand, model, { id, label }))
  }
  await Promise.all(labels)
  await Promise.all([source.close(), close()])
}

/** What is true of a request that was answered. @throws when its sample was not captured */
async function tell(stand: Stand, model: string, feedback: { readonly id: string; readonly label: Label }): Promise<void> {
  const topic = `quantd/${stand.gateway}/feedback/${model}/bench`
  const { body } = await stand.publish(topic, Buffer.from(JSON.stringify(feedback)), { contentType: 'application/json', limitMs: 120_000 })
  const { found } = JSON.parse(body.toString()) as { found?: boolean }
  if (found !== true) throw new Error(`${model}: the label of ${feedback.id} found no sample: ${body.toString()}`)
}

/** Follows the peak of the resident memory of the daemon's job worker. */
function watchWorker(daemon: number): () => number {
  let peakKiB = 0
  const timer = setInterval(() => {
    for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
      try {
        if (Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]) !== daemon) continue
        if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('jobs/worker.js')) continue
        peakKiB = Math.max(peakKiB, Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0))
      } catch {
        // It ended between two looks.
      }
    }
  }, 50)
  return () => {
    clearInterval(timer)
    return peakKiB / 1024
  }
}

/** What is wrong with the choice; undefined where it is the fastest allowed form, or the report says why it is another. */
function complaintOf(rows: readonly ChoiceEntry[], active: string | undefined): string | undefined {
  const chosen = rows.find(row => row.chosen)
  const [fastest] = rows.filter(({ verdict }) => verdict === 'accepted').sort((a, b) => (a.ratio ?? 9) - (b.ratio ?? 9))
  if (chosen === undefined) return 'no form is marked as the one that answers'
  if (chosen.version !== active) return `version ${active} answers, ${rowName(chosen)} (${chosen.version}) was chosen`
  if (fastest === undefined) return chosen.verdict === 'reference' ? undefined : 'a form answers that is not allowed to'
  if (fastest === chosen || choiceSentence(rows)?.includes('is as fast as') === true) return undefined
  return `${rowName(fastest)} is faster and allowed`
}

async function measure(stand: Stand, model: string): Promise<Result> {
  const isReal = values.bundles !== undefined && existsSync(join(values.bundles, model))
  const bundle = isReal ? join(values.bundles!, model) : sharedBundle(stand.folder, model)
  const data = isReal ? values.data! : samples!
  await stand.quantd('load', bundle)
  await stand.quantd('capture', model, '--mode', 'on', '--max-mb', '4096')
  for (const [part, count] of [
    ['calib', values.items],
    ['test', values['held-out']],
  ] as const)
    await feed(stand, { model, bundle, archive: join(data, `${model}-${part}.npz`), count: Number(count) })
  await stand.quantd('capture', model, '--mode', 'off')
  const peak = watchWorker(stand.daemonPid)
  const job = (await stand.quantd('requantize', model, '--samples', values.items)) as Job
  const workerMiB = peak()
  const { active } = ((await stand.quantd('models')) as { name: string; active?: string }[]).find(({ name }) => name === model)!
  const rows = job.candidates ?? []
  const complaint = rows.length === 0 ? `no table: ${job.sentence}` : complaintOf(rows, active)
  return { model, seconds: (Date.parse(job.finished_at) - Date.parse(job.created_at)) / 1000, workerMiB, job, complaint }
}

const stand = await Stand.open([], { broker: 'forgets' })
const results: Result[] = []
try {
  // Its probe runs beside the daemon's start.
  for (let waits = 0; process.env.OPENVINO_DIR !== undefined && waits < 100; waits += 1) {
    const devices = (await stand.quantd('devices')) as { id: string }[]
    if (devices.some(({ id }) => id.startsWith('openvino'))) break
    await pause(100)
  }
  for (const model of names) {
    const result = await measure(stand, model)
    results.push(result)
    const { job, seconds, workerMiB, complaint } = result
    process.stdout.write(
      `${model}: ${job.state} after ${seconds.toFixed(1)} s, worker ${workerMiB.toFixed(0)} MiB\n  ${job.sentence ?? ''}\n`,
    )
    if (job.candidates !== undefined) process.stdout.write(`${formatChoice(job.candidates).replace(/^/gm, '  ').trimEnd()}\n`)
    process.stdout.write(`  ${complaint === undefined ? 'as it should be' : `NOT as it should be: ${complaint}`}\n`)
    if (Number(values.again) > 0) {
      const bench = (await stand.quantd('bench', 'device', model, '--seconds', values.again)) as Job
      process.stdout.write(
        `timed again, ${values.again} s:\n${formatChoice(bench.candidates ?? [])
          .replace(/^/gm, '  ')
          .trimEnd()}\n`,
      )
    }
    await stand.quantd('unload', model)
  }
} finally {
  await stand.close()
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(results, undefined, 2))
if (results.some(({ complaint }) => complaint !== undefined)) process.exitCode = 1
