import { errorCode } from '../errors.js'
import type { Job } from '../gateway/jobs/job.js'
import { RemoteRefusal } from './client/remote-refusal.js'
import type { ExitCode } from './context.js'

/** Prefix of a code -> exit code; what no row names is 1. */
const byCode: readonly (readonly [RegExp, ExitCode])[] = [
  [/^ERR_(CONFIG_|CLI_USAGE|QUANT_LAYER|MQTT_CREDENTIALS|REQUEST_VERB|REQUEST_BODY|REQUEST_JOB)/, 2],
  [/^ERR_(ONNX|GRAPH|SAMPLES|BUNDLE|REQUEST|QUANT|CLI_INPUT|CLI_REPORT|CLI_BUNDLE|JOB_SAMPLES|ENGINE_OPEN|MODEL_OPEN)/, 3],
]
const byWireCode: Readonly<Record<string, ExitCode>> = {
  INVALID_ARGUMENT: 2,
  MODEL_NOT_FOUND: 2,
  VERSION_NOT_FOUND: 2,
  UNSUPPORTED_MEDIA: 3,
  SHAPE_MISMATCH: 3,
}

const ofCode = (code: string): ExitCode | undefined => byCode.find(([pattern]) => pattern.test(code))?.[1]

/** With which status a command ends that threw `error`. */
export function exitCodeOf(error: unknown): ExitCode {
  const wire = error instanceof RemoteRefusal ? byWireCode[error.wire] : undefined
  return ofCode(errorCode(error)) ?? wire ?? 1
}

/** With which status a verb ends whose job ended as `job`. */
export function exitCodeOfJob({ state, error }: Job): ExitCode {
  if (state === 'succeeded') return 0
  if (state === 'rejected' || state === 'rolled_back') return 4
  return ofCode(error?.code ?? '') ?? 1
}
