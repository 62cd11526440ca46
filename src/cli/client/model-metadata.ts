import { z } from 'zod'
import type { Config } from '../../config/schema.js'
import { QuantdError } from '../../errors.js'
import type { TensorSpec } from '../../graph/tensor/spec.js'
import { dtypeFromOip } from '../../samples/oip.js'
import { type MqttSession, nextMessage } from './mqtt-session.js'

const TensorDocument = z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.number()) })
const ModelDocument = z.object({
  name: z.string(),
  inputs: z.array(TensorDocument),
  outputs: z.array(TensorDocument),
  task: z.string().default('other'),
  classes: z.array(z.string()).optional(),
  active: z.string().nullable().default(null),
})

/** What a client may know of a model: its retained topic (mqtt-contract.md 4a), sizes free where they are -1. */
export interface ModelMetadata {
  readonly name: string
  readonly inputs: readonly TensorSpec[]
  /** Names, in order. */
  readonly outputs: readonly string[]
  readonly task: string
  readonly classes: readonly string[] | undefined
  readonly active: string | undefined
}

/** Reads `quantd/{gw}/models/{model}`. @throws ERR_CLI_NO_ANSWER when nothing is retained there; ERR_CLI_ANSWER */
export async function readModelMetadata(
  session: MqttSession,
  {
    config,
    model,
    signal,
    timeoutMs = 3000,
  }: { config: Pick<Config, 'gateway' | 'mqtt'>; model: string; signal: AbortSignal; timeoutMs?: number },
): Promise<ModelMetadata> {
  const topic = `${config.mqtt.base}/${config.gateway}/models/${model}`
  const arrival = nextMessage(session, {
    what: `model '${model}' of gateway ${config.gateway} (nothing is retained on ${topic}: is it loaded?)`,
    timeoutMs,
    signal,
    wanted: packet => (packet.topic === topic && packet.payload.length > 0 ? packet.payload.toString() : undefined),
  })
  const [text] = await Promise.all([arrival, session.client.subscribeAsync(topic, { qos: 1 })])
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    json = undefined // the schema says what is wrong with it
  }
  const parsed = ModelDocument.safeParse(json)
  if (!parsed.success) throw new QuantdError('ERR_CLI_ANSWER', `${topic}: ${parsed.error.issues[0]?.message}`, { details: { topic } })
  const { inputs, outputs, name, task, classes, active } = parsed.data
  return {
    name,
    task,
    classes,
    active: active ?? undefined,
    outputs: outputs.map(output => output.name),
    inputs: inputs.map(input => ({
      name: input.name,
      dtype: dtypeFromOip(input.datatype, `input '${input.name}'`),
      shape: input.shape.map(size => (size < 0 ? undefined : size)),
    })),
  }
}
