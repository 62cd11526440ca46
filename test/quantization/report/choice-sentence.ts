import { test } from 'tap'
import { choiceSentence } from '../../../src/quantization/report/choice-sentence.js'
import type { ChoiceEntry } from '../../../src/quantization/report/report.js'

const form = (precision: ChoiceEntry['precision'], ratio: number | null, more: Partial<ChoiceEntry> = {}): ChoiceEntry => ({
  version: '1',
  device: 'cpu0',
  engine: 'ort',
  precision,
  scheme: null,
  metric: 'top1',
  value: 0.9,
  drop: 0,
  ms: 1,
  ratio,
  load_ms: 1,
  memory_mib: 1,
  verdict: 'accepted',
  why: '',
  chosen: false,
  ...more,
})
const reference = form('float32', 1, { verdict: 'reference' })
const chosen = { chosen: true }

test('one form alone was no choice', async t => {
  t.equal(choiceSentence([reference]), undefined)
  t.equal(choiceSentence([reference, form('int8', 0.5, chosen)]), undefined)
})

test('the fastest allowed form is named before the others, each with its share and its verdict', async t => {
  const failed = form('bfloat16', null, { verdict: 'failed' })
  t.equal(
    choiceSentence([reference, form('int8', 0.4, chosen), form('float16', 0.3, { verdict: 'refused' }), form('bfloat16', 0.6), failed]),
    'int8 on ort at 0.40 is the fastest allowed, before float16 on ort 0.30 of the time of float, refused; bfloat16 on ort 0.60 of the time of float; bfloat16 on ort not made',
  )
})

test('one that was preferred to a faster form says so', async t => {
  const rows = [reference, form('int8', 0.4, { drop: 0.01 }), form('bfloat16', 0.41, chosen)]
  t.equal(choiceSentence(rows), 'bfloat16 on ort at 0.41 is as fast as int8 on ort (0.40) as far as was measured, and loses less')
  const lucky = [reference, form('int8', 0.4, { drop: -0.01 }), form('bfloat16', 0.41, chosen), form('float16', 0.9)]
  t.match(choiceSentence([reference, form('int8', 0.4, { memory_mib: 2 }), form('bfloat16', 0.41, chosen)]), /, and takes less memory$/)
  t.match(choiceSentence(lucky), /, and no worse otherwise, before float16 on ort 0\.90 of the time of float$/)
})

test('where float goes on answering it is said of every form why', async t => {
  t.equal(
    choiceSentence([{ ...reference, chosen: true }, form('int8', 1.2, { verdict: 'refused' })]),
    'none of these is allowed to answer for float: int8 on ort 1.20 of the time of float, refused',
  )
})
