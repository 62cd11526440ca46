import { test } from 'tap'
import { standInOf } from '../../../src/gateway/models/stand-in.js'
import type { StoredVersion } from '../../../src/gateway/models/stored-model.js'
import type { Judgement } from '../../../src/quantization/report/report.js'
import { reportFixture } from '../../fixtures/gateway/report.js'

const judged = (ratio: number, verdict: Judgement['verdict'] = 'accepted'): Judgement => ({
  ...reportFixture({ verdict }).judgement!,
  timing: { float_us: 100, int8_us: 100 * ratio, ratio, low: ratio, high: ratio, rounds: 101 },
})

const version = (number: number, more: Partial<StoredVersion> = {}): StoredVersion => ({
  version: String(number),
  kind: 'int8',
  state: 'candidate',
  device: 'cpu0',
  engine: 'onnxruntime',
  artifact: 'a',
  createdAt: '2026-01-01T00:00:00Z',
  ...more,
})

const float = version(1, { kind: 'float' })
const elsewhere = version(9, { device: 'other0', state: 'active' })

test('the fastest version that was accepted on the reference stands in for one elsewhere, float where there is none', t => {
  const cases: [versions: StoredVersion[], expected: string][] = [
    [[float, elsewhere], '1'],
    [[float, version(2, { judgement: judged(0.6) }), version(3, { judgement: judged(0.5) }), elsewhere], '3'],
    [[float, version(2, { judgement: judged(0.4, 'refused'), state: 'refused' }), elsewhere], '1'],
    [[float, version(2, { judgement: judged(0.4, 'unjudged') }), elsewhere], '1'],
    [[float, version(2, { judgement: judged(0.4), device: 'other0' }), elsewhere], '1'],
    [[float, version(2, { judgement: judged(0.6) }), version(3, { kind: 'float', judgement: judged(0.5) }), elsewhere], '3'],
  ]
  for (const [versions, expected] of cases) t.equal(standInOf({ versions, active: '9' }, 'cpu0'), expected)
  t.end()
})

test('nothing stands in for what runs on the reference itself', t => {
  t.equal(standInOf({ versions: [float, version(2, { state: 'active' })], active: '2' }, 'cpu0'), undefined)
  t.equal(standInOf({ versions: [float], active: undefined }, 'cpu0'), undefined)
  t.end()
})
