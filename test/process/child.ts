import { existsSync, readFileSync } from 'node:fs'
import { test } from 'tap'
import { noBody } from '../../src/process/channel.js'
import { startChild } from '../../src/process/child.js'

const entry = new URL('../fixtures/workers/echo.js', import.meta.url)
const limits = { timeoutMs: 20_000 }

test('a child answers over its pipe and ends by itself when the pipe closes', async t => {
  const child = startChild({ entry, name: 'echo' })
  const body = new Uint8Array(300_000).map((_, i) => i % 251)
  const answer = await child.channel.request({ do: 'echo', ms: 1 }, body, limits)
  t.strictSame(answer.meta, { ms: 1 })
  t.ok(Buffer.from(body).equals(answer.body))
  await child.channel.close()
  t.strictSame(await child.exited, { code: 0, signal: null })
})

test('its priority and its place before the out-of-memory killer are lowered', async t => {
  const child = startChild({ entry, name: 'echo', nice: 7, oomScore: 300, heapMiB: 64 })
  const { meta } = await child.channel.request({ do: 'who' }, noBody, limits)
  t.equal((meta as { nice: number }).nice, 7)
  if (existsSync('/proc/self/oom_score_adj')) t.equal(readFileSync(`/proc/${child.pid}/oom_score_adj`, 'utf8').trim(), '300')
  await child.channel.close()
  await child.exited
})

test('a killed child rejects what it had, and says by which signal it ended', async t => {
  const child = startChild({ entry, name: 'echo' })
  const waiting = child.channel.request({ do: 'never' }, noBody, limits)
  await child.channel.request({ do: 'who' }, noBody, limits)
  child.kill()
  await t.rejects(waiting, { code: 'ERR_WORKER_GONE' })
  t.strictSame(await child.exited, { code: null, signal: 'SIGKILL' })
})

test('a worker file that is run by hand says so', async t => {
  const { spawnSync } = await import('node:child_process')
  const { status, stderr } = spawnSync(process.execPath, [entry.pathname], { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } })
  t.not(status, 0)
  t.match(stderr, /ERR_WORKER_ENTRY/)
})
