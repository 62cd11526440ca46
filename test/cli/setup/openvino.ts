import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Test, test } from 'tap'
import { quantd } from '../../fixtures/cli.js'
import { openvinoHere, withoutOpenvino } from '../../fixtures/openvino.js'

/**
 * A python3 whose venv is a folder with itself in it, and whose pip does what `pip` says in $prefix, the folder of the environment.
 * @param pip lines of sh
 */
function fakePython(pip: string): string {
  return `#!/bin/sh
if [ "$2" = venv ]; then mkdir -p "$3/bin" && cp "$0" "$3/bin/python"; exit; fi
prefix=$(dirname "$(dirname "$0")")
libs=$prefix/lib/python3.11/site-packages/openvino/libs
echo "asked for $*"
${pip}
`
}

/** A state directory with an environment from before, and a PATH with the given python3, or none. */
function stateWith(t: Test, python: string | undefined) {
  const folder = t.testdir({ bin: {}, state: { openvino: { before: 'kept' } }, 'quantd.yaml': '' })
  const state = join(folder, 'state')
  writeFileSync(join(folder, 'quantd.yaml'), `state_dir: ${state}\n`)
  if (python !== undefined) {
    writeFileSync(join(folder, 'bin', 'python3'), python)
    chmodSync(join(folder, 'bin', 'python3'), 0o755)
  }
  const path = python === undefined ? join(folder, 'bin') : `${join(folder, 'bin')}:/usr/bin:/bin`
  const setup = (...more: readonly string[]) =>
    quantd(['setup', 'openvino', '--config', join(folder, 'quantd.yaml'), ...more], { env: { PATH: path } })
  return { state, setup, kept: () => ({ folders: readdirSync(state), before: existsSync(join(state, 'openvino', 'before')) }) }
}

const untouched = { folders: ['openvino'], before: true }

test('without python3 setup fails with a code and what to install, and leaves what was there', async t => {
  const { setup, kept } = stateWith(t, undefined)
  const { code, out, err } = await setup()
  t.equal(code, 1)
  t.equal(out, '')
  t.match(err, /ERR_CLI_SETUP: python3 -m venv .*ENOENT/)
  t.match(err, /apt-get install python3-venv/)
  t.same(kept(), untouched)
})

test('a pip that fails is quoted, and leaves what was there', async t => {
  const { setup, kept } = stateWith(t, fakePython('echo "ERROR: No matching distribution found for openvino" >&2; exit 3'))
  const { code, err } = await setup('--package', 'openvino==1.0')
  t.equal(code, 1)
  t.match(err, /ERR_CLI_SETUP: .*pip install .*openvino==1\.0: ended with status 3: [\s\S]*No matching distribution/)
  t.same(kept(), untouched)
})

test('what pip installs must run here: a library of another kind, or none, leaves what was there', async t => {
  const cases: [pip: string, reason: RegExp][] = [
    ['mkdir -p "$libs" && echo text > "$libs/libopenvino_c.so.2641"', /does not run here: OpenVINO at .*libopenvino_c\.so\.2641/],
    ['mkdir -p "$prefix/lib/python3.11/site-packages/other"', /does not run here: OpenVINO is not on this host/],
  ]
  for (const [pip, reason] of cases) {
    const { setup, kept } = stateWith(t, fakePython(pip))
    const { code, err } = await setup()
    t.equal(code, 1)
    t.match(err, /ERR_OPENVINO_LOAD/)
    t.match(err, reason)
    t.same(kept(), untouched)
  }
})

test('a library that answers takes the place of the environment from before', withoutOpenvino, async t => {
  const libs = dirname(openvinoHere!.path)
  const { state, setup, kept } = stateWith(t, fakePython(`mkdir -p "$(dirname "$libs")" && ln -s "${libs}" "$libs"`))
  // What a setup that was cut off left behind is no obstacle.
  mkdirSync(join(state, 'openvino.new', 'half'), { recursive: true })
  const { code, out } = await setup()
  t.equal(code, 0)
  t.match(out, /^OpenVINO 20\d\d\.\S+ in .*openvino: .*\. Restart the daemon to use it\.\n$/)
  t.same(kept(), { folders: ['openvino'], before: false })
  t.ok(existsSync(join(state, 'openvino/lib/python3.11/site-packages/openvino/libs')))
})
