import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ControlClient } from '../cli/client/control-client.js'
import { Config } from '../config/schema.js'
import { type Daemon, startDaemon } from '../daemon.js'
import type { Job } from '../gateway/jobs/job.js'
import type { Device } from '../hardware/device.js'
import { setLogLevel } from '../log.js'
import type { Judgement } from '../quantization/report/report.js'
import { EmbeddedBroker } from './broker.js'
import { Screen, type Step, type Tour } from './screen.js'
import { demoData, readSite, type SitePicture } from './site.js'
import { SiteClient } from './site-client.js'

const model = 'fashion-resnet'
/** Pictures that the site sends while float answers; the tour sends the last thousand of them again when int8 does. */
const again = 1000

/**
 * The main job on one screen, with an embedded broker and the example of `src/demo/data`: float answers, requests are captured, int8 is calibrated on
 * foreign pictures (and refused) and on the site's own (and activated), int8 answers. Then it stays up until `signal`, unless `once`.
 * @returns exit code: 0 when int8 answers at the end, 1 otherwise
 */
export async function runDemo({ once, signal }: { readonly once: boolean; readonly signal?: AbortSignal }): Promise<number> {
  if (process.env.QUANTD_LOG === undefined) setLogLevel('error')
  const folder = await mkdtemp(join(tmpdir(), 'quantd-demo-'))
  try {
    await using broker = await EmbeddedBroker.start()
    const config = Config.parse({
      gateway: 'demo',
      state_dir: join(folder, 'state'),
      runtime_dir: join(folder, 'state'),
      broker: { url: broker.url, protocol: '3.1.1' },
      http: { listen: '127.0.0.1:0' },
      log: { level: process.env.QUANTD_LOG === undefined ? 'error' : 'info' },
    })
    const daemon = await startDaemon(config)
    const camera = await SiteClient.connect(broker.url, config.gateway)
    try {
      const served = await takeTour({ daemon, camera, url: broker.url, folder, stays: !once })
      if (!once) await untilAborted(signal)
      return served ? 0 : 1
    } finally {
      await camera.close()
      await daemon.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface TourPlace {
  readonly daemon: Daemon
  readonly camera: SiteClient
  readonly url: string
  readonly folder: string
  /** The tour stays up at its end, and says what to try. */
  readonly stays: boolean
}

async function takeTour({ daemon, camera, url, folder, stays }: TourPlace): Promise<boolean> {
  const steps = [
    'load the float model',
    'float answers the site',
    'captured',
    'calibrate on foreign pictures',
    "calibrate on the site's pictures",
    'int8 answers the same pictures',
  ].map((title): Step => ({ title, state: 'waiting', progress: 0, text: '' }))
  const [load, float, captured, foreign, local, int8] = steps as [Step, Step, Step, Step, Step, Step]
  const tour: Tour = { broker: url, devices: [], steps, rows: [], next: [] }
  const screen = new Screen(process.stdout)
  const show = () => screen.show(tour)
  const control = new ControlClient(daemon.controlPath, new AbortController().signal)

  await Promise.race([daemon.hardware.settled(), pause(20_000)])
  tour.devices = [
    ...daemon.services.devices().map(deviceLine),
    ...daemon.hardware.notes().map(({ probe, reason }) => `${probe.padEnd(8)} ${reason}`),
  ]
  await step(load, show, async () => {
    const { inputs } = await daemon.services.models.load(join(demoData, 'bundle'))
    return `${model}, ${inputs.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(', ')}]`).join('; ')}`
  })
  const site = await readSite()
  const unsubscribe = daemon.services.serving.onAnswer(() => {
    captured.state = 'running'
    const { samples, labelled } = daemon.services.capture.state(model)
    captured.progress = samples / site.length
    captured.text = `${samples} samples, ${labelled} labelled by feedback`
  })
  await step(float, show, progress => askAll({ camera, pictures: site, name: 'float', progress }))
  await step(captured, show, async () => {
    await daemon.services.capture.flush()
    const state = () => daemon.services.capture.state(model)
    // The last feedback may still be on its way from the broker.
    for (let looks = 0; looks < 50 && state().labelled < state().samples; looks += 1) await pause(20)
    const { samples, labelled, bytes } = state()
    return `${samples} samples, ${labelled} labelled by feedback, ${(bytes / 2 ** 20).toFixed(1)} MiB on disk`
  })
  unsubscribe()

  // The tour is of int8 on the processor, whatever else is here and may be faster.
  const requantize = async (body: object, progress: (share: number, text: string) => void): Promise<Job> => {
    const { job_id } = (await control.command('requantize', { model, devices: ['cpu0'], ...body })) as { job_id: string }
    return control.follow(job_id, job => progress(job.progress, job.stage ?? job.state))
  }
  const judgementOf = (job: Job): Judgement | undefined =>
    daemon.services.models.get(model).versions.find(({ version }) => version === job.version)?.judgement
  const row = (job: Job, name: string) => {
    const judgement = judgementOf(job)
    if (judgement === undefined) return
    if (tour.rows.length === 0) tour.rows = [{ name: 'float', side: 'float', judgement }]
    tour.rows = [...tour.rows, { name, side: 'int8', judgement }]
  }
  await step(foreign, show, async progress => {
    const job = await requantize({ source: 'bundle' }, progress)
    row(job, 'int8, foreign pictures')
    return `${job.state}: version ${job.version ?? '-'}`
  })
  await step(local, show, async progress => {
    const job = await requantize({}, progress)
    row(job, "int8, this site's pictures")
    return job.state === 'succeeded'
      ? `version ${job.version} activated, no request dropped`
      : `${job.state}: ${job.sentence ?? job.error?.message ?? ''}`
  })
  await step(int8, show, progress => askAll({ camera, pictures: site.slice(-again), name: 'int8', progress }))
  const active = daemon.services.models.get(model)
  const kind = active.versions.find(({ version }) => version === active.active)?.kind
  if (stays) {
    tour.next = [
      `npx mqtt sub -h 127.0.0.1 -p ${new URL(url).port} -t 'quantd/#' -v`,
      `node dist/src/main.js models --state ${folder}/state`,
      `node dist/src/main.js rollback ${model} --state ${folder}/state`,
    ]
  }
  show()
  return kind === 'int8'
}

/** Runs one step of the tour: drawn as it goes on, and once more when it is done. */
async function step(
  shown: Step,
  show: () => void,
  work: (progress: (share: number, text?: string) => void) => Promise<string>,
): Promise<void> {
  shown.state = 'running'
  const timer = setInterval(show, 150)
  try {
    shown.text = await work((share, text = shown.text) => {
      shown.progress = share
      shown.text = text
    })
    shown.state = 'done'
  } finally {
    clearInterval(timer)
    show()
  }
}

interface Questions {
  readonly camera: SiteClient
  readonly pictures: readonly SitePicture[]
  /** Prefix of the request ids. */
  readonly name: string
  readonly progress: (share: number, text: string) => void
}

/** Sends all pictures, one at a time. @returns how it went, as one line */
async function askAll({ camera, pictures, name, progress }: Questions): Promise<string> {
  const times: number[] = []
  let correct = 0
  for (const [index, picture] of pictures.entries()) {
    const answer = await camera.ask(model, `${name}-${index}`, picture)
    times.push(answer.ms)
    if (answer.correct) correct += 1
    progress(times.length / pictures.length, `${times.length} requests`)
  }
  times.sort((a, b) => a - b)
  return `${times.length} requests, ${((100 * correct) / times.length).toFixed(2)} % right, p50 ${times[times.length >> 1]?.toFixed(1)} ms over MQTT`
}

function deviceLine({ id, name, target, features, why }: Device): string {
  const int8 = features.filter(feature => /vnni|amx_int8|asimddp|i8mm|dot/.test(feature))
  return `${id.padEnd(8)} ${name}${int8.length === 0 ? '' : ` (${int8.join(', ')})`}, ${target === undefined ? why : `follows devices/${target}.json`}${target !== undefined && why !== '' ? `: ${why}` : ''}`
}

function untilAborted(signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return new Promise(() => undefined)
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
