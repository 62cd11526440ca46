import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import type { Answer } from '../../bench/stand.js'
import { compileLibrary } from '../../fixtures/compile-library.js'
import { model, type OpenvinoDaemon, startOnOpenvino } from '../../fixtures/gateway/openvino-daemon.js'
import { withoutOpenvino } from '../../fixtures/openvino.js'

/** Address space that a process may add to what it has, in MiB; absent: no limit. */
function limitMemory(pid: number, moreMiB?: number): void {
  const kib = Number(/VmSize:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  execFileSync('prlimit', ['--pid', String(pid), `--as=${moreMiB === undefined ? 'unlimited' : (kib + moreMiB * 1024) * 1024}:`])
}

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

/** What a library from before the C API of 2022.3 has. */
const oldRelease = 'typedef struct { char *text; } version; version ie_c_api_version(void) { version v = { "2021.4" }; return v; }'

/** A folder with such a library in OpenVINO's place. */
function libraryOf(t: Test, code: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'quantd-library-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  compileLibrary(join(folder, 'libopenvino_c.so'), code)
  return folder
}

const kill = (pid: number) => void process.kill(pid, 'SIGKILL')

test(
  'faults of the process with OpenVINO cost no request: ONNX Runtime answers within 2 s, and OpenVINO again once it can',
  withoutOpenvino,
  async t => {
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

    await t.test('memory runs out during an inference: nobody gets the answer of the request before', async t => {
      const small = await daemon.until(daemon.version)
      limitMemory(daemon.workerPid()!, 20)
      const count = 1024
      const many = () => daemon.stand.infer(model, Buffer.alloc(784 * count, 90), { contentType: 'application/octet-stream' })
      const answers = await Promise.all([many(), daemon.ask(), many(), daemon.ask(), many(), daemon.ask()])
      for (const [index, { status, version, body }] of answers.entries()) {
        t.equal(status, 200)
        const [first] = (JSON.parse(body.toString()) as { outputs: { shape: number[]; data: number[] }[] }).outputs
        t.same(first?.shape, [index % 2 === 0 ? count : 1, 10])
        const [wanted] = (JSON.parse(small.body.toString()) as { outputs: { data: number[] }[] }).outputs
        t.ok(Math.abs(first!.data[0]! - wanted!.data[0]!) < 1e-3, `the answer of version ${version}`)
      }
      const pid = daemon.workerPid()
      if (pid !== undefined) limitMemory(pid)
      await daemon.until(daemon.version)
    })
  },
)

test('a library that is not what it was costs no request, and OpenVINO answers again once it is', withoutOpenvino, async t => {
  const daemon = await startOnOpenvino(t)
  await t.test('the library is gone when its process starts again', async t => {
    await moves(t, daemon, pid => {
      daemon.removeLibrary()
      kill(pid)
    })
    daemon.restoreLibrary()
    await daemon.until(daemon.version)
  })

  await t.test('another library stands in its place, then OpenVINO again', async t => {
    const other = libraryOf(t, 'int answer(void) { return 42; }')
    await moves(t, daemon, pid => {
      daemon.replaceLibrary(other)
      kill(pid)
    })
    daemon.restoreLibrary()
    await daemon.until(daemon.version)
  })

  await t.test('a release from before 2022.3 stands in its place', async t => {
    const old = libraryOf(t, oldRelease)
    await moves(t, daemon, pid => {
      daemon.replaceLibrary(old)
      kill(pid)
    })
    daemon.restoreLibrary()
    await daemon.until(daemon.version)
  })

  await t.test('a library that crashes', async t => {
    const crashing = libraryOf(t, '__attribute__((constructor)) static void crash(void) { *(volatile int *)0 = 1; }')
    await moves(t, daemon, pid => {
      daemon.replaceLibrary(crashing)
      kill(pid)
    })
    daemon.restoreLibrary()
    await daemon.until(daemon.version)
  })
})

test('a daemon that starts without the library, or with another in its place, answers by ONNX Runtime', withoutOpenvino, async t => {
  const daemon = await startOnOpenvino(t)
  const restart = async (change: () => void) => {
    await daemon.stand.stopDaemon()
    change()
    daemon.stand.startDaemon()
    await daemon.stand.ready()
  }
  await restart(() => daemon.removeLibrary())
  t.match(await daemon.ask(), { status: 200, version: '1' })
  await restart(() => {
    daemon.restoreLibrary()
    daemon.replaceLibrary(libraryOf(t, oldRelease))
  })
  t.match(await daemon.ask(), { status: 200, version: '1' })
  await restart(() => daemon.restoreLibrary())
  await daemon.until(daemon.version)
})
