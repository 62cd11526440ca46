import { existsSync } from 'node:fs'
import { type Test, test } from 'tap'
import { QuantdError } from '../../../src/errors.js'
import type { Job } from '../../../src/gateway/jobs/job.js'
import type { JobContext, JobOutcome } from '../../../src/gateway/jobs/job-kind.js'
import { JobRunner, type JobSettings } from '../../../src/gateway/jobs/job-runner.js'
import { StateStore } from '../../../src/gateway/store/state-store.js'
import type { Clock } from '../../../src/time.js'

/** A job whose course the test decides; an end that is told before the job runs waits for it. */
function stage() {
  const contexts: JobContext[] = []
  const waiting: ((context: JobContext) => void)[] = []
  const ends: Promise<JobOutcome>[] = []
  const takers: ((end: Promise<JobOutcome>) => void)[] = []
  const end = (outcome: Promise<JobOutcome>) => {
    outcome.catch(() => {})
    const taker = takers.shift()
    if (taker === undefined) ends.push(outcome)
    else taker(outcome)
  }
  return {
    contexts,
    started: () => new Promise<JobContext>(resolve => waiting.push(resolve)),
    succeed: (sentence = 'done') => end(Promise.resolve({ state: 'succeeded', sentence })),
    fail: (error: unknown) => end(Promise.reject(error)),
    kind: {
      kind: 'requantize' as const,
      sizeBytes: () => 1,
      execute: (context: JobContext) => {
        contexts.push(context)
        return new Promise<JobOutcome>((resolve, reject) => {
          context.signal.addEventListener('abort', () => reject(new QuantdError('ERR_ABORTED', 'killed')))
          waiting.shift()?.(context)
          const known = ends.shift()
          if (known === undefined) takers.push(resolve)
          else resolve(known)
        })
      },
    },
  }
}

function open(t: Test, folder: string, more: { settings?: Partial<JobSettings>; clock?: Clock; reserveBytes?: number } = {}) {
  const store = StateStore.open(folder)
  const play = stage()
  const runner = new JobRunner({
    store,
    kinds: [play.kind],
    settings: () => ({ timeout_s: 600, keep: 100, ...more.settings }),
    reserveBytes: () => more.reserveBytes ?? 0,
    ...(more.clock === undefined ? {} : { clock: more.clock }),
  })
  t.teardown(async () => {
    await runner.close()
    store.close()
  })
  const told: Job[] = []
  runner.on(job => told.push(job))
  const ended = (id: string) =>
    new Promise<Job>(resolve => {
      runner.on(job => {
        if (job.job_id === id && job.finished_at !== undefined) resolve(job)
      })
    })
  return { store, runner, play, told, ended }
}

const job = (model: string, id?: string) =>
  ({ kind: 'requantize', model, request: { model }, trigger: 'mqtt', caller: 'ops', ...(id === undefined ? {} : { id }) }) as const

test('a command that is sent twice under one UUID is one job, also after a restart', async t => {
  const folder = t.testdir()
  const id = 'f57613ef-a25c-416d-a011-d7fe9659d800'
  const first = open(t, folder)
  t.equal((await first.runner.start(job('m', id))).job_id, id)
  t.equal((await first.runner.start(job('m', id))).job_id, id)
  first.play.succeed()
  await first.ended(id)
  t.equal(first.play.contexts.length, 1)
  const second = open(t, folder)
  t.match(await second.runner.start(job('m', id)), { job_id: id, state: 'succeeded' })
  t.equal(second.play.contexts.length, 0)
})

test('one job runs at a time: another model waits, the same model is refused with the id', async t => {
  const { runner, play, ended } = open(t, t.testdir())
  const started = play.started()
  const first = await runner.start(job('a'))
  const second = await runner.start(job('b'))
  await started
  t.match([runner.get(first.job_id), runner.get(second.job_id)], [{ state: 'running' }, { state: 'queued' }])
  await t.rejects(runner.start(job('a')), { code: 'ERR_JOB_BUSY', details: { job_id: first.job_id } })
  await t.rejects(runner.start(job('b')), { code: 'ERR_JOB_BUSY', details: { job_id: second.job_id } })
  const next = play.started()
  play.succeed('well done')
  t.match(await ended(first.job_id), { state: 'succeeded', sentence: 'well done', progress: 1 })
  t.equal((await next).job.job_id, second.job_id)
  t.match(runner.get(second.job_id), { state: 'running' })
  await runner.start(job('a'))
})

test('a waiting job is cancelled without having run', async t => {
  const { runner, play } = open(t, t.testdir())
  const started = play.started()
  await runner.start(job('a'))
  const { job_id } = await runner.start(job('b'))
  t.match(await runner.cancel(job_id), { state: 'cancelled' })
  await started
  t.equal(play.contexts.length, 1)
  await t.rejects(runner.cancel('unknown'), { code: 'ERR_JOB_UNKNOWN' })
})

test('a job that throws is failed with its code, and its folder is gone', async t => {
  const { runner, play, ended } = open(t, t.testdir())
  const started = play.started()
  const { job_id } = await runner.start(job('a'))
  const { folder } = await started
  t.ok(existsSync(folder))
  play.fail(new QuantdError('ERR_SAMPLES_READ', 'sample 3 is gone'))
  t.match(await ended(job_id), { state: 'failed', sentence: 'sample 3 is gone', error: { code: 'ERR_SAMPLES_READ' } })
  t.notOk(existsSync(folder))
})

test('the limit that is smaller ends a job: its own deadline', async t => {
  const { runner, ended } = open(t, t.testdir())
  const { job_id } = await runner.start({ ...job('a'), request: { model: 'a', deadline_s: 0.01 } })
  t.match(await ended(job_id), { state: 'timed_out', sentence: 'not done within 0.01 s', error: { code: 'ERR_TIMEOUT' } })
})

test('the limit that is smaller ends a job: that of the configuration', async t => {
  const { runner, ended } = open(t, t.testdir(), { settings: { timeout_s: 0.01 } })
  const { job_id } = await runner.start({ ...job('a'), request: { model: 'a', deadline_s: 100 } })
  t.match(await ended(job_id), { state: 'timed_out' })
})

test('what a crash left unfinished is failed at the next start', async t => {
  const folder = t.testdir()
  const crashed = open(t, folder)
  const running = await crashed.runner.start(job('a'))
  const queued = await crashed.runner.start(job('b'))
  const second = open(t, folder)
  await second.runner.reconcile()
  for (const { job_id } of [running, queued]) {
    t.match(second.runner.get(job_id), { state: 'failed', error: { code: 'ERR_JOB_INTERRUPTED', message: 'restart' } })
  }
  t.match(
    second.told.map(({ state }) => state),
    ['failed', 'failed'],
    'and told',
  )
  await second.runner.start(job('a'))
})

test('a daemon that stops ends its jobs as interrupted', async t => {
  const { runner } = open(t, t.testdir())
  const { job_id } = await runner.start(job('a'))
  await runner.start(job('b'))
  await runner.close()
  t.match(
    runner.list().map(({ state, error }) => [state, error?.code]),
    [
      ['failed', 'ERR_JOB_INTERRUPTED'],
      ['failed', 'ERR_JOB_INTERRUPTED'],
    ],
  )
  t.ok(runner.get(job_id)?.finished_at)
})

test('progress is told once a second, the newest of that second, and never goes back', async t => {
  let at = 0
  const sleepers: (() => void)[] = []
  const clock: Clock = { now: () => at, wall: () => 1_700_000_000_000, sleep: () => new Promise(resolve => sleepers.push(resolve)) }
  const { runner, play, told, ended } = open(t, t.testdir(), { clock })
  const started = play.started()
  const { job_id } = await runner.start(job('a'))
  const { update } = await started
  const progress = () => told.filter(({ stage: found }) => found !== undefined).map(one => [one.stage, one.progress, one.eta_s])
  at = 1_000
  update({ stage: 'calibrate', progress: 0.1 })
  t.same(progress(), [['calibrate', 0.1, 9]])
  at = 1_200
  update({ stage: 'calibrate', progress: 0.2 })
  update({ stage: 'evaluate', progress: 0.5 })
  t.equal(progress().length, 1, 'not yet')
  at = 2_000
  sleepers.shift()?.()
  await Promise.resolve()
  t.same(progress().at(-1), ['evaluate', 0.5, 2])
  t.equal(progress().length, 2)
  at = 3_500
  update({ stage: 'evaluate', progress: 0.4 })
  t.match(progress().at(-1), ['evaluate', 0.5], 'never back')
  play.succeed()
  t.match(await ended(job_id), { state: 'succeeded', progress: 1, finished_at: '2023-11-14T22:13:20.000Z', eta_s: undefined })
})

test('finished jobs beyond the number to keep are forgotten, the oldest first', async t => {
  const { runner, play, ended } = open(t, t.testdir(), { settings: { keep: 2 } })
  const ids: string[] = []
  for (const model of ['a', 'b', 'c']) {
    const { job_id } = await runner.start(job(model))
    const end = ended(job_id)
    play.succeed()
    await end
    ids.push(job_id)
  }
  t.same(
    runner.list().map(({ job_id }) => job_id),
    ids.slice(1),
  )
  t.equal(runner.get(ids[0]!), undefined)
})

test('nothing starts below the reserve of the disk', async t => {
  const { runner } = open(t, t.testdir(), { reserveBytes: 2 ** 60 })
  await t.rejects(runner.start(job('a')), { code: 'ERR_STORE_FULL' })
  t.same(runner.list(), [])
})

test('a job goes on when its progress cannot be written, and new ones are refused', async t => {
  const { store, runner, play, ended } = open(t, t.testdir())
  const started = play.started()
  const { job_id } = await runner.start(job('a'))
  const { update } = await started
  store.database.exec('PRAGMA query_only = ON')
  update({ stage: 'calibrate', progress: 0.5 })
  await t.rejects(runner.start(job('b')), { code: 'ERR_STORE_WRITE' })
  play.succeed()
  t.match(await ended(job_id), { state: 'succeeded' })
  store.database.exec('PRAGMA query_only = OFF')
})
