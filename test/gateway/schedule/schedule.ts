import { mock } from 'node:test'
import { type Test, test } from 'tap'
import type { Job } from '../../../src/gateway/jobs/job.js'
import type { ScheduleEntry } from '../../../src/gateway/schedule/guards.js'
import { Schedule } from '../../../src/gateway/schedule/schedule.js'
import { StateStore } from '../../../src/gateway/store/state-store.js'

const entry = (more: Partial<ScheduleEntry> = {}): ScheduleEntry => ({
  model: 'm',
  cron: '0 3 * * *',
  timezone: 'UTC',
  overlap: 'skip',
  request: { samples: 50 },
  guards: { min_samples: 10, min_interval_h: 1, max_load: 90 },
  ...more,
})

const nothingCaptured = {
  mode: 'on',
  stopped: undefined,
  samples: 0,
  leastConfident: 0,
  labelled: 0,
  bytes: 0,
  seen: 0,
  dropped: 0,
} as const

const job = (fields: Partial<Job>): Job => ({
  job_id: 'job-0',
  kind: 'requantize',
  model: 'm',
  state: 'running',
  rev: 1,
  progress: 0,
  trigger: 'cron',
  caller: 'cron',
  request: {},
  created_at: '2026-03-10T00:00:00Z',
  ...fields,
})

/** Two in the morning of a Tuesday, and a clock that only the test moves. */
function freeze(t: Test, at = '2026-03-10T02:00:00Z') {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.parse(at) })
  t.teardown(() => mock.timers.reset())
  return {
    hours: async (count: number) => {
      for (let quarter = 0; quarter < count * 4; quarter += 1) {
        mock.timers.tick(900_000)
        for (let turn = 0; turn < 10; turn += 1) await new Promise(resolve => setImmediate(resolve))
      }
    },
  }
}

function site(t: Test, folder = t.testdir()) {
  const store = StateStore.open(folder)
  const jobs: Job[] = []
  const listeners = new Set<(job: Job) => void>()
  const facts = { reservoir: 500, loadPercent: 5 }
  const started: Record<string, unknown>[] = []
  const schedule = new Schedule({
    store,
    clock: { now: () => Date.now(), wall: () => Date.now(), sleep: async () => {} },
    capture: {
      state: model => ({ ...nothingCaptured, model, reservoir: facts.reservoir }),
    },
    jobs: {
      list: () => jobs,
      on: listener => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
    loadPercent: () => facts.loadPercent,
    requantize: async request => {
      started.push(request)
      jobs.push(job({ job_id: `job-${started.length}` }))
      return { job_id: `job-${started.length}` }
    },
  })
  t.teardown(() => {
    schedule.stop()
    store.close()
  })
  const end = (state: Job['state'] = 'succeeded') => {
    const ended = job({ ...jobs.pop(), state, finished_at: new Date().toISOString() })
    jobs.push(ended)
    for (const listener of listeners) listener(ended)
  }
  return { schedule, started, facts, end, jobs, last: () => schedule.list()[0]?.last }
}

test('an entry starts its job at its hour of its time zone, every day', async t => {
  const clock = freeze(t)
  const { schedule, started, end, last } = site(t)
  schedule.start([entry(), entry({ cron: '30 5 * * *', timezone: 'Europe/Berlin', request: { samples: 60 } })])
  t.match(schedule.list(), [{ next: '2026-03-10T03:00:00.000Z' }, { next: '2026-03-10T04:30:00.000Z' }])
  await clock.hours(1)
  t.same(started, [{ samples: 50, model: 'm' }])
  t.match(last(), { at: '2026-03-10T03:00:00.000Z', outcome: 'started', what: 'job-1' })
  end()
  await clock.hours(1.5)
  t.same(started[1], { samples: 60, model: 'm' })
  end()
  await clock.hours(24)
  t.equal(started.length, 3, 'the second of the next day found the first still running')
})

test('each guard keeps the job from starting and says so with its figures', async t => {
  const clock = freeze(t)
  const { schedule, started, facts, end, last } = site(t)
  schedule.start([entry({ cron: '0 * * * *', guards: { min_samples: 100, min_interval_h: 2.5, max_load: 50 } })])
  facts.reservoir = 99
  await clock.hours(1)
  t.match(last(), { outcome: 'skipped', what: '99 captured samples, min_samples is 100' })
  facts.reservoir = 100
  facts.loadPercent = 51
  await clock.hours(1)
  t.match(last(), { outcome: 'skipped', what: '51 % load, max_load is 50' })
  facts.loadPercent = 50
  await clock.hours(1)
  t.match(last(), { outcome: 'started' })
  end()
  await clock.hours(2)
  t.match(last(), { outcome: 'skipped', what: '2.00 h since the last job, min_interval_h is 2.5' })
  await clock.hours(1)
  t.match(last(), { outcome: 'started' })
  t.equal(started.length, 2)
})

test('while a job of the model runs, skip forgets the run and queue starts it afterwards, once', async t => {
  for (const overlap of ['skip', 'queue'] as const) {
    await t.test(overlap, async t => {
      const clock = freeze(t)
      const { schedule, started, end, last } = site(t)
      schedule.start([entry({ cron: '0 * * * *', overlap })])
      await clock.hours(3)
      t.match(last(), { outcome: overlap === 'skip' ? 'skipped' : 'queued', what: 'job job-1 is running' })
      t.equal(started.length, 1)
      end()
      await clock.hours(0.5)
      t.equal(started.length, overlap === 'skip' ? 1 : 2)
      if (overlap === 'queue') end()
      await clock.hours(0.25)
      t.equal(started.length, overlap === 'skip' ? 1 : 2, 'only once')
    })
  }
})

test('a job that finished in the future by the wall clock does not hold the schedule up', async t => {
  const clock = freeze(t, '1970-01-01T02:00:00Z')
  const { schedule, started, jobs } = site(t)
  jobs.push(job({ state: 'succeeded', finished_at: '2026-03-10T02:00:00Z' }))
  schedule.start([entry({ guards: { min_samples: 1, min_interval_h: 5, max_load: 90 } })])
  await clock.hours(1)
  t.equal(started.length, 1)
})

test('a wrong expression or time zone changes nothing and is named', async t => {
  const clock = freeze(t)
  const { schedule, started } = site(t)
  schedule.start([entry()])
  t.throws(() => schedule.start([entry({ cron: '0 25 * * *' })]), { code: 'ERR_SCHEDULE_CRON', message: /0 25/ })
  t.throws(() => schedule.start([entry(), entry({ timezone: 'Mars/Olympus' })]), { code: 'ERR_SCHEDULE_CRON', message: /Mars/ })
  await clock.hours(1)
  t.equal(started.length, 1, 'the old entries go on, and none of the new ones')
  schedule.start([])
  await clock.hours(24)
  t.equal(started.length, 1, 'a reload without entries ends them')
})

test('what an entry did last is known after a restart', async t => {
  const folder = t.testdir()
  const clock = freeze(t)
  const first = site(t, folder)
  first.schedule.start([entry()])
  await clock.hours(1)
  first.schedule.stop()
  first.schedule.stop()
  const second = site(t, folder)
  second.schedule.start([entry()])
  t.match(second.last(), { outcome: 'started', what: 'job-1' })
})
