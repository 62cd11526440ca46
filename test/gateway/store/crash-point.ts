import { spawnSync } from 'node:child_process'
import { test } from 'tap'

test('the process dies at the named step and at no other', async t => {
  const script = `
    const { crashPoint } = await import(${JSON.stringify(new URL('../../../src/gateway/store/crash-point.js', import.meta.url).href)})
    crashPoint('first')
    process.stdout.write('past first ')
    crashPoint('second')
    process.stdout.write('past second')`
  const run = (at: string) =>
    spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', env: { ...process.env, QUANTD_CRASH_AT: at } })
  t.match(run('second'), { signal: 'SIGKILL', stdout: /^past first $/ })
  t.match(run('elsewhere'), { status: 0, stdout: 'past first past second' })
})
