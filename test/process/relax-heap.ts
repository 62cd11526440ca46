import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'tap'

const module = pathToFileURL(join(import.meta.dirname, '../../src/process/relax-heap.js')).href

test('the setting is one that this Node knows, and takes while it runs', async t => {
  t.match(execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' }), /--heap-growing-percent/)
  const script = `import { relaxHeap } from '${module}'; relaxHeap()`
  const { status, stderr, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  t.same({ status, stderr, stdout }, { status: 0, stderr: '', stdout: '' })
})
