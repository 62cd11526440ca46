import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'tap'
import { SdNotify } from '../../src/service/sd-notify.js'
import { Watchdog, watchdogLimitUs } from '../../src/service/watchdog.js'

/** A datagram socket that plays systemd: prints each notification as one JSON line. */
const listener = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    print(json.dumps(s.recv(4096).decode()), flush=True)
`

/** The socket stands in the system's temporary folder: a path below `t.testdir` is longer than a socket's may be (108 bytes). */
async function systemd(t: { teardown(stop: () => void): void }) {
  const folder = mkdtempSync(join(tmpdir(), 'quantd-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'notify.sock')
  const child = spawn('python3', ['-c', listener, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => void child.kill())
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  await lines.next()
  return { path, next: async () => JSON.parse((await lines.next()).value as string) as string }
}

test('systemd hears ready, status, beats and stopping, in that order', async t => {
  const { path, next } = await systemd(t)
  const before = process.env.NOTIFY_SOCKET
  // libsystemd reads the environment of the process itself.
  process.env.NOTIFY_SOCKET = path
  t.teardown(() => {
    if (before === undefined) delete process.env.NOTIFY_SOCKET
    else process.env.NOTIFY_SOCKET = before
  })
  const notify = new SdNotify()
  t.equal(notify.connected, true)
  notify.ready('serving 2 models')
  notify.status('serving 3 models')
  const watchdog = new Watchdog({ notify, progress: { journal: async () => {} }, limitUs: 30e6 })
  t.equal(await watchdog.beat(1000), true)
  notify.stopping('draining')
  t.equal(await next(), 'READY=1\nSTATUS=serving 2 models')
  t.equal(await next(), 'STATUS=serving 3 models')
  t.equal(await next(), 'WATCHDOG=1')
  t.equal(await next(), 'STOPPING=1\nSTATUS=draining')
})

test('no beat when one of the parts does not answer', async t => {
  let beats = 0
  const notify = { watchdog: () => (beats += 1) } as unknown as SdNotify // only `watchdog` is called by a beat
  const stuck = new Watchdog({ notify, progress: { journal: async () => {}, cpu0: () => new Promise(() => {}) }, limitUs: 30e6 })
  t.equal(await stuck.beat(5), false)
  const failing = new Watchdog({ notify, progress: { cpu0: () => Promise.reject(new Error('gone')) }, limitUs: 30e6 })
  t.equal(await failing.beat(1000), false)
  t.equal(beats, 0)
})

test('without NOTIFY_SOCKET nobody is told and nothing fails', async t => {
  const notify = new SdNotify({})
  t.equal(notify.connected, false)
  notify.ready('')
  notify.watchdog()
})

test('the watchdog limit holds for the process that systemd named', async t => {
  t.equal(watchdogLimitUs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 7), 30e6)
  t.equal(watchdogLimitUs({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 8), undefined)
  t.equal(watchdogLimitUs({ WATCHDOG_USEC: '30000000' }, 8), 30e6)
  for (const bad of ['', '0', '-1', 'soon']) t.equal(watchdogLimitUs({ WATCHDOG_USEC: bad }, 8), undefined, bad)
})
