import { randomUUID } from 'node:crypto'
import { connectAsync, type IClientOptions, type IPublishPacket } from 'mqtt'
import { QuantdError } from '../../errors.js'

export interface ServeLoad {
  readonly url: string
  /** TLS and login, as MQTT.js takes them. */
  readonly broker?: IClientOptions
  /** User name at the broker, last level of the request topic. */
  readonly caller?: string
  readonly base?: string
  readonly gateway: string
  readonly model: string
  readonly qos: 0 | 1
  /** Requests on their way at once. */
  readonly inFlight: number
  readonly count: number
  /** Requests before the first that counts. */
  readonly warmUp?: number
  readonly body: Uint8Array
  readonly contentType: string
  readonly properties?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
  /** Topic instead of the gateway's own: for peers that speak the same request and response. */
  readonly topic?: string
  readonly replyTopic?: string
}

export interface ServeLoadResult {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly failed: number
  /** Median microseconds of each stage that the answers tell (`queue-us`, ...); `rest`: broker, network and client. */
  readonly stagesUs: Readonly<Record<string, number>>
}

const stages = ['queue', 'decode', 'infer', 'encode', 'total'] as const

/**
 * Load over MQTT 5 by one client, request and response, a fixed number in flight; a pure client that knows nothing of the daemon. The correlation data tells answers
 * apart. @throws ERR_TIMEOUT when no answer comes
 */
export async function measureServe(load: ServeLoad): Promise<ServeLoadResult> {
  const { url, qos, inFlight, count, warmUp = 50, body, contentType, timeoutMs = 30_000 } = load
  const caller = load.caller ?? 'bench'
  const replyTopic = load.replyTopic ?? `quantd-reply/${caller}/${randomUUID().slice(0, 8)}`
  const topic = load.topic ?? `${load.base ?? 'quantd'}/${load.gateway}/infer/${load.model}/${caller}`
  const client = await connectAsync(url, {
    ...load.broker,
    protocolVersion: 5,
    clientId: `quantd-bench-${randomUUID().slice(0, 8)}`,
    reconnectPeriod: 0,
  })
  const { stream } = client as { stream: { setNoDelay?: (on: boolean) => unknown } }
  stream.setNoDelay?.(true)
  const payload = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const prefix = randomUUID().slice(0, 8)
  const sentAt = new Map<string, number>()
  const latencies: number[] = []
  const told: Record<string, number[]> = Object.fromEntries(stages.map(stage => [stage, []]))
  const total = warmUp + count
  let sent = 0
  let answered = 0
  let failed = 0
  let started = 0
  const send = () => {
    if (sent >= total) return
    const correlation = `${prefix}${sent}`
    sent += 1
    sentAt.set(correlation, performance.now())
    client.publish(topic, payload, {
      qos,
      properties: {
        responseTopic: replyTopic,
        correlationData: Buffer.from(correlation),
        contentType,
        ...(load.properties === undefined ? {} : { userProperties: { ...load.properties } }),
      },
    })
  }
  try {
    await client.subscribeAsync(replyTopic, { qos })
    await new Promise<void>((resolve, reject) => {
      const late = () =>
        reject(new QuantdError('ERR_TIMEOUT', `no answer on ${replyTopic} within ${timeoutMs} ms, ${answered} of ${total} came`))
      let timer = setTimeout(late, timeoutMs)
      client.on('close', () => reject(new QuantdError('ERR_TIMEOUT', 'the broker closed the connection of the load')))
      client.on('message', (_topic, _payload, packet: IPublishPacket) => {
        const correlation = packet.properties?.correlationData?.toString() ?? ''
        const at = sentAt.get(correlation)
        if (at === undefined || !sentAt.delete(correlation)) return
        answered += 1
        const now = performance.now()
        const said = packet.properties?.userProperties as Record<string, string> | undefined
        if (answered > warmUp) {
          latencies.push(now - at)
          if (said?.status !== undefined && said.status !== '200') failed += 1
          for (const stage of stages) if (said?.[`${stage}-us`] !== undefined) told[stage]?.push(Number(said[`${stage}-us`]))
        }
        if (answered === warmUp) started = now
        timer.refresh()
        if (answered === total) {
          clearTimeout(timer)
          resolve()
        } else send()
      })
      timer = timer.refresh()
      started = performance.now()
      for (let index = 0; index < inFlight; index += 1) send()
    })
  } finally {
    client.removeAllListeners('close')
    await client.endAsync()
  }
  const seconds = (performance.now() - started) / 1000
  const sorted = Float64Array.from(latencies).sort()
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return {
    requests: latencies.length,
    requestsPerSecond: latencies.length / seconds,
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    failed,
    stagesUs: Object.fromEntries(stages.filter(stage => told[stage]!.length > 0).map(stage => [stage, median(told[stage]!)])),
  }
}

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
