import cron from 'node-cron'
import { z } from 'zod'

/** What a change of a key restarts; shown by `check-config` and by the `reload-config` command. */
export type Restarts = 'nothing' | 'mqtt' | 'worker' | 'daemon'

const restarts = <T extends z.ZodType>(schema: T, what: Restarts, help: string): T =>
  schema.meta({ restarts: what, description: help }) as T

/** mqtt://host:port; the password belongs in `password_file`. */
function isBrokerUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && ['mqtt:', 'mqtts:', 'ws:', 'wss:'].includes(url.protocol) && url.hostname !== '' && url.password === ''
}

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined
  } catch {
    return false // RangeError: no such zone
  }
}

const Guards = z.strictObject({
  min_samples: restarts(z.int().min(1).default(100), 'nothing', 'captured samples below which nothing starts'),
  min_interval_h: restarts(z.number().min(0).default(1), 'nothing', 'hours since the last finished job of this model'),
  max_load: restarts(
    z.number().min(0).max(100).default(90),
    'nothing',
    'percent of all cores over the last minute above which nothing starts',
  ),
})

const ScheduleEntry = z.strictObject({
  model: restarts(z.string(), 'nothing', 'model to re-quantize'),
  cron: restarts(
    z.string().refine(text => cron.validate(text), { error: 'a cron expression of five or six fields, such as "0 3 * * *"' }),
    'nothing',
    'five or six fields, as node-cron reads them',
  ),
  timezone: restarts(
    z.string().refine(isTimezone, { error: 'an IANA time zone, such as Europe/Berlin' }).default('UTC'),
    'nothing',
    'IANA name',
  ),
  overlap: restarts(z.enum(['skip', 'queue']).default('skip'), 'nothing', 'when the previous run has not ended'),
  request: restarts(z.record(z.string(), z.unknown()).default({}), 'nothing', 'body of the requantize command'),
  guards: Guards.prefault({}),
})

/** The one configuration file (YAML). Every key has a default: an empty file runs. Unknown keys are refused with the nearest known one. */
export const Config = z.strictObject({
  version: z.literal(1).default(1),
  gateway: restarts(
    z
      .string()
      .regex(/^[a-z0-9-]{1,32}$/)
      .refine(id => id !== 'any', { error: "another id than 'any', which names the pool" })
      .default('gw1'),
    'daemon',
    'gateway id: first topic level, equals the MQTT user name',
  ),
  state_dir: restarts(z.string().default('/var/lib/quantd'), 'daemon', 'models, journal, captures; one daemon per folder'),
  runtime_dir: restarts(z.string().default('/run/quantd'), 'daemon', 'control socket; falls back to state_dir when it cannot be written'),
  broker: z
    .strictObject({
      url: restarts(
        z
          .string()
          .refine(isBrokerUrl, { error: 'mqtt://host:port or mqtts://host:port, without a password (that goes into password_file)' })
          .default('mqtt://127.0.0.1:1883'),
        'mqtt',
        'mqtt:// or mqtts://, host, port',
      ),
      username: restarts(z.string().optional(), 'mqtt', 'default: the gateway id when a password is set'),
      password_file: restarts(z.string().optional(), 'mqtt', 'file whose first line is the password'),
      ca_file: restarts(z.string().optional(), 'mqtt', 'PEM; default: the system store'),
      cert_file: restarts(z.string().optional(), 'mqtt', 'PEM, client certificate'),
      key_file: restarts(z.string().optional(), 'mqtt', 'PEM, its key'),
      protocol: restarts(z.enum(['auto', '5', '3.1.1']).default('auto'), 'mqtt', 'auto tries 5 and falls back'),
      keepalive_s: restarts(z.int().min(5).max(3600).default(30), 'mqtt', 'seconds'),
    })
    .refine(({ cert_file, key_file }) => (cert_file === undefined) === (key_file === undefined), {
      error: 'cert_file and key_file together, or neither',
    })
    .prefault({}),
  mqtt: z
    .strictObject({
      base: restarts(
        z
          .string()
          .regex(/^[^#+$]+$/)
          .default('quantd'),
        'mqtt',
        'first level of all topics',
      ),
      reply_prefixes: restarts(
        z.array(z.string()).default(['quantd-reply/{caller}/']),
        'mqtt',
        'where replies may go; {caller} is the caller of the request topic',
      ),
      require_command_expiry: restarts(z.boolean().default(false), 'nothing', 'refuse commands without Message Expiry <= 300 s'),
      strict_durability: restarts(
        z.boolean().default(false),
        'nothing',
        'refuse QoS 1 with 507 when the journal cannot be written, instead of serving with durable=0',
      ),
      health_interval_s: restarts(z.int().min(1).max(3600).default(60), 'mqtt', 'seconds'),
      pool: restarts(z.boolean().default(false), 'mqtt', 'also serve quantd/any/infer/... as a shared subscription'),
    })
    .prefault({}),
  serving: z
    .strictObject({
      queue: restarts(z.int().min(1).max(100_000).default(256), 'nothing', 'requests waiting, all models'),
      queue_mb: restarts(z.number().min(1).default(128), 'nothing', 'MiB of request bytes waiting'),
      per_caller: restarts(z.int().min(1).default(64), 'nothing', 'requests of one caller, waiting or running'),
      max_payload_mb: restarts(z.number().min(0.01).max(256).default(16), 'mqtt', 'MiB of one request'),
      hint: restarts(
        z.enum(['latency', 'throughput']).default('latency'),
        'worker',
        'latency: all threads for one inference; throughput: several inferences of a model side by side, where its engine can (openvino); model.json may say otherwise',
      ),
      timeout_s: restarts(z.number().min(0.1).default(30), 'nothing', 'seconds an inference may take before its device counts as faulty'),
    })
    .prefault({}),
  workers: z
    .strictObject({
      threads: restarts(
        z.int().min(0).max(256).default(0),
        'worker',
        'threads of a model: of one inference, or with the hint throughput of all that run side by side; 0 = half of the cores, at least 1, with throughput all',
      ),
      memory_mb: restarts(
        z.number().min(64).default(1024),
        'worker',
        'resident MiB of a device worker after which it is recycled when idle',
      ),
      heartbeat_s: restarts(z.number().min(0.5).default(5), 'worker', 'seconds without an answer to a ping before a worker is replaced'),
    })
    .prefault({}),
  engines: z
    .strictObject({
      openvino_cache_mb: restarts(
        z.int().min(0).max(65_536).default(256),
        'daemon',
        'MiB of the state directory for models that OpenVINO has compiled: they open faster; 0: none are kept',
      ),
      openvino: restarts(
        z.enum(['auto', 'off']).default('auto'),
        'daemon',
        'auto: a worker for each device that OpenVINO has here, and its versions beside those of ONNX Runtime; off: it is listed, not used',
      ),
    })
    .prefault({}),
  jobs: z
    .strictObject({
      threads: restarts(z.int().min(1).default(1), 'nothing', 'threads of calibration'),
      memory_mb: restarts(z.number().min(256).default(1536), 'nothing', 'MiB of the job worker'),
      timeout_s: restarts(z.number().min(10).default(7200), 'nothing', 'seconds'),
      keep: restarts(z.int().min(1).default(100), 'nothing', 'finished jobs kept'),
      metric_modules: restarts(
        z.boolean().default(false),
        'nothing',
        'run metrics that a bundle brings as .mjs files: code of whoever made the bundle, with the rights of the job worker',
      ),
    })
    .prefault({}),
  capture: z
    .strictObject({
      reserve_mb: restarts(z.number().min(1).default(256), 'nothing', 'MiB of disk left free: capture stops first'),
    })
    .prefault({}),
  discovery: z
    .strictObject({
      gpu: restarts(z.boolean().default(true), 'daemon', 'look for GPUs by WebGPU, in a process of its own'),
      openvino: restarts(z.boolean().default(true), 'daemon', 'look for OpenVINO and its devices, in a process of its own'),
      usb: restarts(z.boolean().default(true), 'daemon', 'look for Movidius sticks'),
      usb_poll_s: restarts(z.number().min(1).max(3600).default(30), 'daemon', 'seconds between listings besides hot-plug events'),
    })
    .prefault({}),
  load: z
    .strictObject({
      allow: restarts(
        z.array(z.url({ protocol: /^https$/ })).default([]),
        'nothing',
        'address prefixes that the load command may fetch bundles from',
      ),
    })
    .prefault({}),
  schedule: restarts(z.array(ScheduleEntry).default([]), 'nothing', 'automatic re-quantization'),
  http: z
    .strictObject({
      listen: restarts(
        z
          .string()
          .regex(/^(off|(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5})$/)
          .default('127.0.0.1:9464'),
        'daemon',
        'address:port of /metrics and /health; "off" for none',
      ),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: restarts(
        z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
        'nothing',
        'least severe line written',
      ),
    })
    .prefault({}),
})
export type Config = z.infer<typeof Config>
