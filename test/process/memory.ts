import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'tap'
import { collectGarbage, peakResidentMiB, residentMiB } from '../../src/process/memory.js'

const memory = new URL('../../src/process/memory.js', import.meta.url).href

/** MiB of the young generation of a process of its own, after a few hundred MiB of short-lived objects. */
async function youngMiB(before: string): Promise<number> {
  const code = `
    import { getHeapSpaceStatistics } from 'node:v8'
    import { keepMemorySmall } from '${memory}'
    ${before}
    let kept = []
    for (let count = 0; count < 2e6; count += 1) {
      kept.push({ count })
      if (kept.length > 2e5) kept = []
    }
    console.log(getHeapSpaceStatistics().find(space => space.space_name === 'new_space').space_size / 2 ** 20)
  `
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code])
  return Number(stdout)
}

test('garbage is given back when it is asked for', async t => {
  const dropped = Array.from({ length: 8 }, () => new WeakRef(new Float32Array(1024)))
  // What a WeakRef was made of lives until the turn ends.
  await new Promise(setImmediate)
  collectGarbage()
  t.equal(dropped.filter(each => each.deref() !== undefined).length, 0)
})

test('the peak is no less than what is resident', async t => {
  t.ok(peakResidentMiB() >= residentMiB() - 1)
})

test('the young generation of a process that keeps its memory small does not grow', async t => {
  const [small, grown] = await Promise.all([youngMiB('await keepMemorySmall()'), youngMiB('')])
  t.ok(small <= 4, `${small} MiB`)
  t.ok(grown > small, `${grown} MiB without it`)
})
