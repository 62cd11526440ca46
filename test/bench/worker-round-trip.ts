import { startChild } from '../../src/process/child.js'

/**
 * Round trip of a request through an idle worker, there and back, in milliseconds: `node dist/test/bench/worker-round-trip.js [bytes] [rounds]`.
 * One request at a time; the answer carries nothing but its head (`in`), or all the bytes again (`both`).
 */
const bytes = Number(process.argv[2] ?? 150 * 1024)
const rounds = Number(process.argv[3] ?? 3000)
const body = new Uint8Array(bytes).fill(7)
const child = startChild({ entry: new URL('../fixtures/workers/echo.js', import.meta.url), name: 'echo' })

for (const [title, meta] of [
  ['in', { do: 'count' }],
  ['both', { do: 'echo' }],
] as const) {
  const times: number[] = []
  for (let round = 0; round < rounds + 200; round += 1) {
    const start = performance.now()
    await child.channel.request(meta, body, { timeoutMs: 10_000 })
    if (round >= 200) times.push(performance.now() - start)
  }
  times.sort((a, b) => a - b)
  const at = (share: number) => (times[Math.floor(share * (times.length - 1))] ?? Number.NaN).toFixed(3)
  process.stdout.write(`${title.padEnd(5)} ${bytes} bytes  p50 ${at(0.5)}  p95 ${at(0.95)}  p99 ${at(0.99)} ms  (${rounds} rounds)\n`)
}
await child.channel.close()
