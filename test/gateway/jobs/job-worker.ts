import { type FSWatcher, mkdirSync, readdirSync, readFileSync, watch } from 'node:fs'
import { join } from 'node:path'
import { type Test, t as tap, test } from 'tap'
import { taskFiles } from '../../../src/gateway/jobs/worker-task.js'
import { AwareCheckpoint } from '../../../src/quantization/accuracy-aware/checkpoint.js'
import { demoBundle, openSite, siteRequests } from '../../fixtures/gateway/site.js'

const model = 'fashion-resnet'

// The worker runs at the lowest priority: beside other work it waits its turn.
tap.setTimeout(90_000)

/** Processes that this one started for a job, by /proc: the worker is found as an operator would find it. */
function jobWorkers(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid => {
      try {
        const parent = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1])
        return parent === process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('jobs/worker.js')
      } catch {
        return false // ended between the two looks
      }
    })
    .map(Number)
}

/** A job whose demand no model meets, so that it tunes, ranks and reverts as long as it may. */
async function startAware(t: Test) {
  const site = await openSite(t, t.testdir())
  const loaded = await site.models.load(demoBundle)
  await site.capture.configure(model, { ...loaded.manifest.capture, mode: 'on' })
  for (const request of await siteRequests(loaded, 20)) await site.serve(model, request)
  const started = new Promise<string>(resolve => {
    site.jobs.on(({ stage, job_id }) => {
      if (stage !== undefined) resolve(job_id)
    })
  })
  const plain = { scheme: 'symmetric', range_estimator: 'min-max', samples: 20 }
  const request = { model, ...plain, pipeline: 'accuracy-aware', metric: 'cosine', max_drop: 0 }
  const { job_id } = await site.jobs.start({ kind: 'requantize', model, request, trigger: 'cli', caller: 'test' })
  await started
  // The job's own folder of the one device, which may not be there yet.
  const folder = join(site.store.folder, 'jobs', job_id, 'cpu0-int8')
  mkdirSync(folder, { recursive: true })
  return { site, job_id, folder }
}

function textIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Calls `seen` with every checkpoint that the worker leaves; the job removes the last one with its folder, perhaps while it is looked for. */
function followCheckpoints(t: Test, folder: string, seen: (checkpoint: AwareCheckpoint) => void): void {
  const path = join(folder, taskFiles.checkpoint)
  let watcher: FSWatcher | undefined
  const look = () => {
    const text = textIfThere(path)
    if (text !== undefined) seen(AwareCheckpoint.parse(JSON.parse(text)))
  }
  watcher = watch(folder, look)
  t.teardown(() => watcher?.close())
}

test('a worker that is killed in the middle goes on from its checkpoint, and nothing is measured twice', async t => {
  const { site, job_id, folder } = await startAware(t)
  const killAt = 5
  let before: AwareCheckpoint | undefined
  let after: AwareCheckpoint | undefined
  followCheckpoints(t, folder, checkpoint => {
    after = checkpoint
    if (before !== undefined || Object.keys(checkpoint.measured).length < killAt) return
    for (const pid of jobWorkers()) process.kill(pid, 'SIGKILL')
    before = checkpoint
  })
  const job = await site.ended(job_id)
  t.match(job, { sentence: /accuracy-aware: not reached, .*; the worker ended once and went on from its checkpoint$/ })
  t.ok(before !== undefined && after !== undefined)
  const [first, last] = [before!.measured, after!.measured]
  t.ok(Object.keys(last).length > Object.keys(first).length, `${Object.keys(first).length} evaluations, then ${Object.keys(last).length}`)
  // The times of an evaluation are never the same twice.
  for (const [question, answer] of Object.entries(first)) t.same(last[question], answer, question)
  t.same(readdirSync(join(site.store.folder, 'jobs')), [], 'the checkpoint goes with the folder of the job')
})

test('a worker that is killed before there is a checkpoint fails its job, and is not started again', async t => {
  const { site, job_id } = await startAware(t)
  const kill = () => {
    const pids = jobWorkers()
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    if (pids.length === 0) setImmediate(kill)
  }
  kill()
  t.match(await site.ended(job_id), { state: 'failed', error: { code: 'ERR_WORKER_GONE' } })
})

test('an accuracy-aware job that is cancelled between two evaluations ends as cancelled', async t => {
  const { site, job_id, folder } = await startAware(t)
  const checkpointed = new Promise<void>(resolve => followCheckpoints(t, folder, () => resolve()))
  await checkpointed
  t.match(await site.jobs.cancel(job_id), { state: 'cancelled' })
  t.same(jobWorkers(), [])
})
