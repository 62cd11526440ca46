import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import type { Answer } from '../../bench/stand.js'
import { compileLibrary } from '../../fixtures/compile-library.js'
import { type OpenvinoDaemon, startOnOpenvino } from '../../fixtures/gateway/openvino-daemon.js'
import { withoutOpenvino } from '../../fixtures/openvino.js'

/** What the product promises: after this, requests are answered by ONNX Runtime. */
const moveLimitMs = 2_000

/** Requests in flight when the fault comes, and after it. */
const inFlight = 8

/**
 * Provokes a fault with requests in flight and sends more until the stand-in has answered one: every request has to be answered, and the first by the stand-in
 * in time.
 */
async function moves(t: Test, daemon: OpenvinoDaemon, fault: (pid: number) => void): Promise<void> {
  await daemon.until(daemon.version)
  const asked: Promise<Answer>[] = []
  let faultAt = Number.POSITIVE_INFINITY
  let movedMs: number | undefined
  const ask = async () => {
    const answer = await daemon.ask()
    if (answer.version === '1' && movedMs === undefined) movedMs = performance.now() - faultAt
    return answer
  }
  const fill = async () => {
    while (movedMs === undefined) {
      const asking = ask()
      asked.push(asking)
      await asking
    }
  }
  const filling = Array.from({ length: inFlight }, fill)
  fault(daemon.workerPid()!)
  faultAt = performance.now()
  await Promise.all(filling)
  const answers = await Promise.all(asked)
  t.same(
    answers.filter(({ status }) => status !== 200).map(({ body }) => body.toString()),
    [],
    `none of ${answers.length} is lost`,
  )
  t.ok(movedMs! < moveLimitMs, `the stand-in answers after ${Math.round(movedMs!)} ms`)
}

const kill = (pid: number) => void process.kill(pid, 'SIGKILL')

test('faults of OpenVINO cost no request: ONNX Runtime answers within 2 s, and OpenVINO again once it can', withoutOpenvino, async t => {
  const daemon = await startOnOpenvino(t, ['workers: { heartbeat_s: 0.5 }'])

  await t.test('its process is killed', async t => {
    await moves(t, daemon, kill)
    await daemon.until(daemon.version)
  })

  await t.test('its process hangs for good: another takes its place', async t => {
    const before = daemon.workerPid()
    await moves(t, daemon, pid => void process.kill(pid, 'SIGSTOP'))
    await daemon.until(daemon.version)
    t.not(daemon.workerPid(), before)
  })

  await t.test('the library is gone when its process starts again', async t => {
    await moves(t, daemon, pid => {
      daemon.removeLibrary()
      kill(pid)
    })
    daemon.restoreLibrary()
    await daemon.until(daemon.version)
  })

  const folder = t.testdirName
  const libraryOf = (name: string, code: string) => {
    mkdirSync(join(folder, name))
    compileLibrary(join(folder, name, 'libopenvino_c.so'), code)
    return join(folder, name)
  }

  await t.test('another library stands in its place, then OpenVINO again', async t => {
    const other = libraryOf('other', 'int answer(void) { return 42; }')
    await moves(t, daemon, pid => {
      daemon.replaceLibrary(other)
      kill(pid)
    })
    daemon.restoreLibrary()
    await daemon.until(daemon.version)
  })

  await t.test('a release from before 2022.3 stands in its place', async t => {
    const old = libraryOf(
      'old',
      'typedef struct { char *text; } version; version ie_c_api_version(void) { version v = { "2021.4" }; return v; }',
    )
    await moves(t, daemon, pid => {
      daemon.replaceLibrary(old)
      kill(pid)
    })
    daemon.restoreLibrary()
    await daemon.until(daemon.version)
  })

  await t.test('a library that crashes', async t => {
    const crashing = libraryOf('crashing', '__attribute__((constructor)) static void crash(void) { *(volatile int *)0 = 1; }')
    await moves(t, daemon, pid => {
      daemon.replaceLibrary(crashing)
      kill(pid)
    })
    daemon.restoreLibrary()
    await daemon.until(daemon.version)
  })
})
