import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import { packageRoot } from '../../src/paths.js'

const unshare = ['--fork', '--kill-child', '--pid', '--mount', '--cgroup', '--uts', '--ipc', '--mount-proc']

/** Why no systemd of our own can run here; false when it can. */
function missing(): string | false {
  if (process.getuid?.() !== 0) return 'needs root for a systemd of its own'
  if (!existsSync('/lib/systemd/systemd')) return 'no systemd on this machine'
  const tried = spawnSync('unshare', [...unshare, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'])
  return tried.status === 0 ? false : 'this machine gives no namespaces'
}

test('a real systemd runs the unit: ready, beats, restarted when it hangs or dies, stopped cleanly', {
  skip: missing(),
  timeout: 180_000,
}, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'quantd-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const result = join(folder, 'result')
  const script = join(packageRoot, 'test/fixtures/systemd-trial.sh')
  await promisify(execFile)('unshare', [...unshare, 'bash', script, packageRoot, process.execPath, result], {
    timeout: 150_000,
    killSignal: 'SIGKILL',
  }).catch(
    // The driver ends process 1, and the namespace with it, when it has written its result.
    (error: Error) => t.comment(error.message.split('\n')[0]),
  )
  if (!existsSync(result)) {
    for (const part of ['result.part', 'result.log', 'result.driver'])
      if (existsSync(join(folder, part))) t.comment(readFileSync(join(folder, part), 'utf8'))
    t.fail('the trial did not come to its end')
    return
  }
  const said = new Map(
    readFileSync(result, 'utf8')
      .trim()
      .split('\n')
      .map(line => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  )
  t.equal(said.get('ready'), 'yes', 'READY reached systemd')
  t.equal(said.get('user'), 'quantd', 'runs as the user of sysusers')
  t.equal(said.get('beats'), 'yes', 'beats within the watchdog limit')
  t.equal(said.get('watchdog'), 'restarted', 'a stopped daemon is restarted by the watchdog')
  t.equal(said.get('killed'), 'restarted', 'a killed daemon is restarted')
  t.equal(said.get('back'), 'yes', 'and is ready again')
  t.equal(said.get('stopped'), 'success', 'SIGTERM ends it cleanly')
  t.match(said.get('cpu'), /"cpu0"/, 'the processor is found under the unit')
})
