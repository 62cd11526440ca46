import { test } from 'tap'
import { RemoteRefusal } from '../../src/cli/client/remote-refusal.js'
import { exitCodeOf } from '../../src/cli/exit-code.js'
import { QuantdError } from '../../src/errors.js'

const refusal = (code: string, cause?: string) => new RemoteRefusal({ error: 'x', code, status: 400, retryable: false, details: { cause } })

test('each kind of failure has the exit code of DESIGN 8', async t => {
  for (const [error, code] of [
    [new QuantdError('ERR_CONFIG_KEY', 'x'), 2],
    [new QuantdError('ERR_CLI_USAGE', 'x'), 2],
    [new QuantdError('ERR_MQTT_CREDENTIALS', 'x'), 2],
    [new QuantdError('ERR_ONNX_WIRE', 'x'), 3],
    [new QuantdError('ERR_BUNDLE_FILE', 'x'), 3],
    [new QuantdError('ERR_SAMPLES_READ', 'x'), 3],
    [new QuantdError('ERR_CLI_UNREACHABLE', 'x'), 1],
    [new Error('x'), 1],
    [refusal('INVALID_ARGUMENT', 'ERR_ONNX_WIRE'), 3],
    [refusal('INVALID_ARGUMENT', 'ERR_REQUEST_BODY'), 2],
    [refusal('MODEL_NOT_FOUND', 'ERR_MODEL_UNKNOWN'), 2],
    [refusal('SHAPE_MISMATCH', 'ERR_REQUEST_SHAPE'), 3],
    [refusal('OVERLOADED', 'ERR_SERVING_QUEUE'), 1],
    [refusal('INTERNAL'), 1],
  ] as const) {
    t.equal(exitCodeOf(error), code, `${(error as { wire?: string }).wire ?? ''} ${(error as { code?: string }).code ?? 'foreign'}`)
  }
})

test('an answer that is no refusal is one with its text', async t => {
  const error = new RemoteRefusal({ unexpected: true })
  t.equal(error.wire, 'INTERNAL')
  t.match(error.message, 'unexpected')
})
