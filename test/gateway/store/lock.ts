import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'tap'
import { StateLock } from '../../../src/gateway/store/lock.js'

/** Another process that holds the lock of `folder` until it is killed. */
async function holder(folder: string): Promise<ChildProcess> {
  const script = `
    const { StateLock } = await import(${JSON.stringify(new URL('../../../src/gateway/store/lock.js', import.meta.url).href)})
    StateLock.acquire(${JSON.stringify(folder)})
    process.stdout.write('held')
    setInterval(() => {}, 1 << 30)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout!, 'data')
  return child
}

test('a second daemon is refused and told who holds the directory', async t => {
  const folder = t.testdir()
  const child = await holder(folder)
  t.teardown(() => child.kill('SIGKILL'))
  t.throws(() => StateLock.acquire(folder), { code: 'ERR_STORE_LOCKED', message: new RegExp(`process ${child.pid}`) })
})

test('the lock of a killed daemon is free at once', async t => {
  const folder = t.testdir()
  const child = await holder(folder)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const lock = StateLock.acquire(folder)
  lock.release()
  lock.release()
  StateLock.acquire(folder).release()
})

test('one process cannot hold the same directory twice', async t => {
  const folder = t.testdir()
  const lock = StateLock.acquire(folder)
  t.teardown(() => lock.release())
  t.throws(() => StateLock.acquire(folder), { code: 'ERR_STORE_LOCKED' })
})

test('a directory that cannot be made is named', async t => {
  const folder = t.testdir({ file: 'not a folder' })
  t.throws(() => StateLock.acquire(`${folder}/file/state`), { code: 'ERR_STORE_OPEN', message: /file\/state/ })
})
