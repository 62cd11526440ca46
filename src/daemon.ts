import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { controlSocketPaths } from './config/control-socket.js'
import { changedKeys } from './config/diff.js'
import { loadConfig } from './config/load.js'
import type { Config } from './config/schema.js'
import { onnxruntimeEngine } from './engines/onnxruntime/engine.js'
import { startDeviceWorker } from './engines/worker/supervised-device-worker.js'
import { errorMessage, QuantdError } from './errors.js'
import { CaptureStore } from './gateway/calibration/capture-store.js'
import { followModels } from './gateway/calibration/follow-models.js'
import { goldenRequest } from './gateway/calibration/golden-request.js'
import { commands } from './gateway/commands/catalog.js'
import type { Services } from './gateway/commands/command.js'
import { requantize } from './gateway/commands/requantize.js'
import { ControlServer } from './gateway/http/control-server.js'
import { OperationsServer } from './gateway/http/operations-server.js'
import type { OperationsView } from './gateway/http/operations-view.js'
import { benchJob } from './gateway/jobs/bench-job.js'
import { JobRunner } from './gateway/jobs/job-runner.js'
import { judgeJob } from './gateway/jobs/judge-job.js'
import { judgeStale } from './gateway/jobs/judge-stale.js'
import { requantizeJob } from './gateway/jobs/requantize-job.js'
import { fetchBundle } from './gateway/models/fetch-bundle.js'
import type { Computing } from './gateway/models/model-sessions.js'
import { type FollowOpenvinoOptions, followOpenvino } from './gateway/models/openvino-devices.js'
import { ModelRegistry } from './gateway/models/registry.js'
import { ServingDevices } from './gateway/models/serving-devices.js'
import { MqttGateway } from './gateway/mqtt/gateway.js'
import { Schedule } from './gateway/schedule/schedule.js'
import { type ServingLimits, ServingQueue } from './gateway/serving/serving-queue.js'
import { JournalThread } from './gateway/store/journal-thread.js'
import { StateLock } from './gateway/store/lock.js'
import { StateStore } from './gateway/store/state-store.js'
import { Uploads } from './gateway/store/uploads.js'
import type { Device } from './hardware/device.js'
import type { DeviceSpec } from './hardware/device-spec.js'
import { Hardware } from './hardware/hardware.js'
import { logger, setLogLevel } from './log.js'
import { costsFile } from './quantization/costs/load-costs.js'
import { SdNotify } from './service/sd-notify.js'
import { Watchdog, watchdogLimitUs } from './service/watchdog.js'
import { withTimeout } from './time.js'

const log = logger('daemon')

/** Largest .tar that `load` takes; the disk's reserve bounds it besides. */
const maxBundleBytes = 4 * 2 ** 30
const fetchLimitMs = 10 * 60_000
const pingLimitMs = 10_000
const lastRequestsMs = 300

export interface StartOptions {
  /** Reads the configuration again, for `reload-config`; default: the file of the default path. */
  readonly reload?: () => Promise<Config>
  readonly signal?: AbortSignal
}

/** What `startDaemon` built, and how it ends. */
export interface Daemon {
  readonly services: Services
  readonly hardware: Hardware
  readonly controlPath: string
  /** Refuses new requests, answers those that run, tells the broker, ends the workers. Safe to call twice. */
  close(): Promise<void>
}

/**
 * The one place where services are built and handed to each other. READY when the local parts stand; the broker may come later.
 * @throws ERR_STORE_LOCKED, ERR_STORE_*, ERR_HARDWARE_SPEC, ERR_SCHEDULE_CRON, ERR_HTTP_*, ERR_WORKER_*
 */
export async function startDaemon(first: Config, { reload = () => loadConfig(undefined), signal }: StartOptions = {}): Promise<Daemon> {
  let config = first
  const reserveBytes = () => config.capture.reserve_mb * 2 ** 20
  const closing: (() => void | Promise<void>)[] = []
  const closeAll = async () => {
    for (let undo = closing.pop(); undo !== undefined; undo = closing.pop()) await undo()
  }
  /** Remembers how to undo a step; steps are undone in reverse order. */
  const opened = <T>(service: T, undo: (service: T) => void | Promise<void>): T => {
    closing.push(() => undo(service))
    return service
  }
  const notify = new SdNotify()
  try {
    opened(StateLock.acquire(config.state_dir), lock => lock.release())
    const store = opened(StateStore.open(config.state_dir), state => state.close())
    const journal = opened(await JournalThread.open({ path: join(config.state_dir, 'journal.db') }), thread => thread.close())
    const hardware = opened(await Hardware.discover(config, signal === undefined ? {} : { signal }), found => found.close())
    const { cpu, spec } = processor(hardware)
    const worker = opened(
      await startDeviceWorker({ device: cpu.id, memoryMiB: config.workers.memory_mb, heartbeatS: config.workers.heartbeat_s }),
      started => started.close(),
    )
    const capture = opened(await CaptureStore.open({ stateFolder: config.state_dir, reserveBytes: reserveBytes() }), files => files.close())
    const devices = opened(
      new ServingDevices({
        device: cpu,
        spec,
        engine: { name: onnxruntimeEngine.name, version: onnxruntimeEngine.version() },
        worker,
        precisions: [],
        env: {},
      }),
      list => list.close(),
    )
    const models = opened(
      new ModelRegistry({
        store,
        devices,
        computing: computing(config),
        memoryMiB: config.jobs.memory_mb,
        goldenRequest: model => goldenRequest(capture, model),
      }),
      registry => registry.close(),
    )
    await models.restore()
    opened(await followModels(models, capture), stop => stop())
    if (config.engines.openvino === 'auto') {
      const worker = { memoryMiB: config.workers.memory_mb, heartbeatS: config.workers.heartbeat_s }
      opened(followOpenvino({ hardware, devices, worker, ...openvinoCache(config) }), followed => followed.close())
    }
    const serving = opened(
      new ServingQueue({ models, worker: device => devices.get(device)?.worker, limits: () => servingLimits(config), health: models }),
      // What still runs after the gateway's own wait stays in the journal.
      queue => withTimeout(queue.drain(), lastRequestsMs, 'drain').catch(() => undefined),
    )
    serving.onAnswer((request, answer) => capture.offer(request.model, request, answer))
    const jobs = opened(
      new JobRunner({
        store,
        kinds: [
          requantizeJob({
            models,
            capture,
            devices,
            settings: () => config.jobs,
            costs: join(config.state_dir, costsFile),
          }),
          judgeJob({ models, capture, devices, settings: () => config.jobs }),
          benchJob({ models, capture, devices }),
        ],
        settings: () => config.jobs,
        reserveBytes,
      }),
      runner => runner.close(),
    )
    await jobs.reconcile()
    await judgeStale(models, jobs)
    // A device that comes later may have another engine than the one its versions were judged on.
    opened(
      devices.on(event => void (event === 'back' && judgeStale(models, jobs))),
      stop => stop(),
    )
    const uploads = new Uploads(config.state_dir)
    const services: Services = {
      models,
      jobs,
      capture,
      serving,
      devices: () => hardware.devices(),
      daemon: {
        drain: () => serving.drain(),
        resume: () => serving.resume(),
        reloadConfig: async () => {
          const next = await reload()
          const changes = changedKeys(config, next)
          schedule.start(next.schedule)
          config = next
          capture.setReserve(reserveBytes())
          setLogLevel(config.log.level)
          return { restart_required: changes.filter(({ restarts }) => restarts !== 'nothing').map(({ key }) => key) }
        },
        fetchBundle: source =>
          fetchBundle(source, uploads, {
            allow: config.load.allow,
            maxBytes: maxBundleBytes,
            reserveBytes: reserveBytes(),
            limitMs: fetchLimitMs,
          }),
      },
    }
    const schedule = opened(
      new Schedule({
        store,
        jobs,
        capture,
        requantize: request => startScheduled(request, services),
      }),
      entries => entries.stop(),
    )
    schedule.start(config.schedule)
    const workers = () => devices.all().map(serving => ({ device: serving.device.id, ...serving.worker.figures() }))
    const health = () => ({ workers: workers(), capture: models.list().map(({ name }) => capture.state(name)) })
    const mqtt = opened(await MqttGateway.start({ config: () => config, services, commands, journal, store, hardware, health }), gateway =>
      gateway.close(),
    )
    // Before the gateway says good-bye: how a running job ended must still reach the broker.
    closing.push(() => jobs.close())
    const view: OperationsView = {
      status: () => mqtt.status(),
      serving: () => serving.figures(),
      journal: () => journal.figures(),
      models: () => models.list(),
      capture: () => models.list().map(({ name }) => capture.state(name)),
      jobs: () => jobs.list(),
      workers,
    }
    if (config.http.listen !== 'off') {
      // A taken port costs the figures, not the service.
      const operations = await OperationsServer.start(config.http.listen, view).catch(
        error => void log.error({ error: errorMessage(error) }, 'no /health and /metrics'),
      )
      if (operations !== undefined) opened(operations, server => server.close())
    }
    const control = opened(
      await ControlServer.start({
        paths: controlSocketPaths(config),
        commands,
        services,
        uploads,
        status: () => ({ ...mqtt.status(), notes: hardware.notes(), schedule: schedule.list() }),
        uploadLimits: { maxBytes: maxBundleBytes, reserveBytes: reserveBytes() },
      }),
      server => server.close(),
    )
    const progress = {
      [worker.device]: async () => void (await worker.call('stats', {}, { timeoutMs: pingLimitMs })),
      journal: () => journal.ping(),
    }
    const watchdog = new Watchdog({ notify, progress, limitUs: watchdogLimitUs() })
    watchdog.start()
    notify.ready(`serving ${models.list().length} models`)
    closing.push(() => {
      notify.stopping('draining')
      watchdog.stop()
    })
    log.info({ gateway: config.gateway, models: models.list().length }, 'ready')
    return { services, hardware, controlPath: control.path, close: closeAll }
  } catch (error) {
    await closeAll()
    throw error
  }
}

/** The processor and its file in `devices/`. @throws ERR_HARDWARE_PROCESSOR */
function processor(hardware: Hardware): { readonly cpu: Device; readonly spec: DeviceSpec } {
  const cpu = hardware.devices().find(({ id }) => id === 'cpu0')
  const spec = cpu?.target === undefined ? undefined : hardware.spec(cpu.target)
  if (cpu === undefined || spec === undefined) {
    throw new QuantdError('ERR_HARDWARE_PROCESSOR', `no file in devices/ describes this processor: ${cpu?.name ?? 'none found'}`, {
      details: { features: cpu?.features ?? [] },
    })
  }
  return { cpu, spec }
}

function openvinoCache({ state_dir, engines }: Config): Pick<FollowOpenvinoOptions, 'cache'> {
  const maxMiB = engines.openvino_cache_mb
  return maxMiB === 0 ? {} : { cache: { folder: join(state_dir, 'openvino-compiled'), maxMiB } }
}

function computing({ serving, workers }: Config): Computing {
  const cores = availableParallelism()
  const threads = { latency: workers.threads || Math.max(1, Math.floor(cores / 2)), throughput: workers.threads || cores }
  return { hint: serving.hint, threads }
}

function servingLimits({ serving }: Config): ServingLimits {
  return {
    queue: serving.queue,
    queueBytes: serving.queue_mb * 2 ** 20,
    perCaller: serving.per_caller,
    maxPayloadBytes: serving.max_payload_mb * 2 ** 20,
    timeoutMs: serving.timeout_s * 1000,
  }
}

/** What the schedule starts is what the `requantize` command starts. */
async function startScheduled(request: Readonly<Record<string, unknown>>, services: Services): Promise<{ readonly job_id: string }> {
  const call = { caller: 'cron', trigger: 'cron', signal: new AbortController().signal } as const
  return (await requantize.handle(requantize.request.parse(request), call, services)) as { readonly job_id: string }
}
