import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

const main = fileURLToPath(new URL('../src/main.js', import.meta.url))

async function run(...args: readonly string[]) {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let err = ''
  child.stdout.on('data', data => {
    out += String(data)
  })
  child.stderr.on('data', data => {
    err += String(data)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, out, err }
}

test('the process ends with the exit code of its command line', async t => {
  t.match(await run('--version'), { code: 0, out: /^\d+\.\d+\.\d+\n$/, err: '' })
  t.match(await run('frobnicate'), { code: 2, out: '', err: /unknown command/ })
  t.match(await run('check-config', '/does/not/exist'), { code: 2, out: '', err: /ERR_CONFIG_READ/ })
})

test('a reader that goes away early is no error', async t => {
  const child = spawn('sh', ['-c', `"${process.execPath}" "${main}" check-config /dev/null --all; echo $? >&2`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stdout.destroy()
  let err = ''
  child.stderr.on('data', data => {
    err += String(data)
  })
  await once(child, 'close')
  t.equal(err.trim(), '0')
})
