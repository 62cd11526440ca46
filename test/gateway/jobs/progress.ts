import { test } from 'tap'
import type { JobUpdate } from '../../../src/gateway/jobs/job-kind.js'
import { jobProgress, partProgress } from '../../../src/gateway/jobs/progress.js'

test('several devices follow each other between what is done once and the judge, and progress only rises', t => {
  const seen: number[] = []
  const tell = (...args: Parameters<typeof jobProgress>) => seen.push(jobProgress(...args).progress)
  for (const [index, part] of [0, 1, 2].map(at => [at, { index: at, count: 3 }] as const)) {
    if (index === 0) for (const stage of ['import', 'place', 'observe'] as const) for (const share of [0, 1]) tell(stage, share, part)
    for (const stage of ['quantize', 'evaluate'] as const) for (const share of [0, 0.5, 1]) tell(stage, share, part)
  }
  for (const share of [0, 1]) tell('judge', share)
  t.same(
    seen,
    [...seen].sort((a, b) => a - b),
  )
  const [last] = [jobProgress('evaluate', 1, { index: 2, count: 3 })]
  t.ok(last!.progress <= jobProgress('judge', 0).progress)
  t.equal(jobProgress('quantize', 0, { index: 1, count: 2 }).progress, (0.3 + 0.66) / 2, 'the second of two begins in the middle')
  t.same(jobProgress('judge', 0.5), jobProgress('judge', 0.5, { index: 0, count: 2 }))
  t.end()
})

test('tasks that follow each other share what is left for making, and tell no time that holds for one alone', t => {
  const seen: JobUpdate[] = []
  const half = { stage: 'evaluate', progress: 0.435, etaS: 9 } as const
  partProgress(update => seen.push(update), { index: 1, count: 2 })(half)
  partProgress(update => seen.push(update), { index: 0, count: 1 })(half)
  t.same(seen, [
    { stage: 'evaluate', progress: 0.75 * 0.87 },
    { stage: 'evaluate', progress: 0.5 * 0.87, etaS: 9 },
  ])
  t.end()
})
