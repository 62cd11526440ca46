import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Test, test } from 'tap'
import { runLimited } from '../../src/process/limited-child.js'

/** A process that does what the request's code says. */
function entry(t: Test): URL {
  const folder = t.testdir()
  const url = (file: string) => JSON.stringify(new URL(`../../src/process/${file}.js`, import.meta.url).href)
  const path = join(folder, 'entry.mjs')
  writeFileSync(
    path,
    `import { parentChannel } from ${url('parent')}
     const channel = parentChannel(async ({ meta }) => {
       channel.notify({ started: process.pid })
       return { meta: await eval('(async () => {' + meta.code + '})()'), body: new Uint8Array(0) }
     })`,
  )
  return pathToFileURL(path)
}

const run = (t: Test, code: string, more: object = {}) =>
  runLimited({ entry: entry(t), name: 'limited', request: { code }, memoryMiB: 400, timeoutMs: 30_000, ...more })

const alive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('the process answers once and is gone', async t => {
  let pid = 0
  const onEvent = ({ meta }: { meta: unknown }) => {
    pid = (meta as { started: number }).started
  }
  t.same((await run(t, 'return 6 * 7', { onEvent })).meta, 42)
  t.notOk(alive(pid))
})

test('what it throws comes back with its code', async t => {
  await t.rejects(run(t, `throw Object.assign(new Error('plain'), {})`), { code: 'ERR_INTERNAL', message: 'plain' })
})

test('a process that dies without an answer is told from one that answers', async t => {
  await t.rejects(run(t, 'process.exit(3)'), { code: 'ERR_WORKER_GONE', message: /limited: the process ended with 3/ })
})

test('memory outside of the JavaScript heap counts', async t => {
  const code = `const held = []; for (let i = 0; i < 40; i += 1) { held.push(new Uint8Array(20 * 2 ** 20).fill(1)); await new Promise(r => setTimeout(r, 20)) } return held.length`
  await t.rejects(run(t, code, { memoryMiB: 150 }), { code: 'ERR_WORKER_MEMORY', details: { memoryMiB: 150 } })
})

test('an abort kills a process that does not listen', async t => {
  const abort = new AbortController()
  let pid = 0
  const onEvent = ({ meta }: { meta: unknown }) => {
    pid = (meta as { started: number }).started
    abort.abort()
  }
  await t.rejects(run(t, 'await new Promise(r => setTimeout(r, 50)); for (;;);', { signal: abort.signal, onEvent }), {
    code: 'ERR_ABORTED',
  })
  t.notOk(alive(pid))
})

test('so does the time limit', async t => {
  await t.rejects(run(t, 'for (;;);', { timeoutMs: 500 }), { code: 'ERR_TIMEOUT' })
})
