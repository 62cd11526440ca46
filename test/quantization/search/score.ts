import { test } from 'tap'
import type { Evaluation } from '../../../src/quantization/evaluate.js'
import { isNearlyLossless } from '../../../src/quantization/search/score.js'

const evaluation = (fields: Partial<Evaluation>): Evaluation => ({
  verdict: 'accepted',
  sentence: '',
  metric: 'agreement',
  by: 'float',
  float: 1,
  int8: 1,
  drop: 0,
  max_drop: 0.01,
  items: 31,
  agreement: 1,
  snr_db: 31,
  cosine: 0.999,
  textCloseness: undefined,
  ...fields,
})

test('a signal of 30 dB is nearly lossless while the allowed drop holds', t => {
  t.ok(isNearlyLossless(evaluation({})))
  t.notOk(isNearlyLossless(evaluation({ snr_db: 29.9 })))
  t.notOk(isNearlyLossless(evaluation({ drop: 0.02 })))
  t.end()
})

test('a reader of text is nearly lossless by the characters that it reads as float does, whatever its signal', t => {
  t.ok(isNearlyLossless(evaluation({ snr_db: 13, textCloseness: 0.9995 })))
  t.notOk(isNearlyLossless(evaluation({ snr_db: 40, textCloseness: 0.998 })))
  t.notOk(isNearlyLossless(evaluation({ snr_db: 13, textCloseness: 1, drop: 0.02 })))
  t.end()
})
