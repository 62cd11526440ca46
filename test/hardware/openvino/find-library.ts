import { join } from 'node:path'
import { test } from 'tap'
import { findOpenvino } from '../../../src/hardware/openvino/find-library.js'

const wheel = () => ({
  lib: { 'python3.11': { 'site-packages': { openvino: { libs: { 'libopenvino_c.so.2641': '', 'libopenvino.so.2641': '' } } } } },
})
const archive = () => ({ runtime: { lib: { intel64: { 'libopenvino_c.so': '' } } } })

test('OPENVINO_DIR may be an archive, a Python environment, or the folder of the libraries', async t => {
  const root = t.testdir({ archive: archive(), wheel: wheel(), plain: { 'libopenvino_c.so.2500': '' } })
  const find = (folder: string) => findOpenvino({ env: { OPENVINO_DIR: join(root, folder) }, root: join(root, 'nothing') })
  t.strictSame(find('archive'), { path: join(root, 'archive/runtime/lib/intel64/libopenvino_c.so'), by: 'OPENVINO_DIR' })
  t.strictSame(find('wheel')?.path, join(root, 'wheel/lib/python3.11/site-packages/openvino/libs/libopenvino_c.so.2641'))
  t.strictSame(find('plain')?.path, join(root, 'plain/libopenvino_c.so.2500'))
})

test('what quantd set up wins over the system, the system over Python packages', async t => {
  const root = t.testdir({
    state: wheel(),
    root: { opt: { intel: { 'openvino_2024.1': archive(), 'openvino_2025.2': archive() } }, usr: { local: wheel() } },
  })
  const env = { HOME: join(root, 'home') }
  t.equal(findOpenvino({ env, root: join(root, 'root'), privateFolder: join(root, 'state') })?.by, 'state directory')
  t.match(findOpenvino({ env, root: join(root, 'root') }), { by: 'system', path: /openvino_2025\.2/ })
  t.equal(findOpenvino({ env, root: join(root, 'root/usr') }), undefined)
  t.equal(findOpenvino({ env: { ...env, VIRTUAL_ENV: join(root, 'state') }, root: join(root, 'none') })?.by, 'python package')
})
