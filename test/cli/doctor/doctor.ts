import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import type { Finding } from '../../../src/cli/doctor/finding.js'
import { quantd } from '../../fixtures/cli.js'
import { Mosquitto } from '../../fixtures/mqtt/mosquitto.js'
import { shortFolder } from '../../fixtures/short-folder.js'

test('doctor ends with 0 when nothing failed, with 1 and the fix when something did', async t => {
  const broker = await Mosquitto.start({ persistence: 'nothing' })
  t.teardown(() => broker.close())
  const folder = shortFolder(t)
  const file = join(folder, 'quantd.yaml')
  const config = { state_dir: folder, runtime_dir: folder, capture: { reserve_mb: 1 }, discovery: { gpu: false, usb: false } }
  writeFileSync(file, JSON.stringify(config))
  const right = await quantd(['doctor', '--config', file, '--broker', broker.url, '--json'])
  const { ok, findings } = JSON.parse(right.out) as { ok: boolean; findings: readonly Finding[] }
  t.same(
    findings.filter(({ status }) => status === 'fail'),
    [],
  )
  t.equal(ok, true)
  t.equal(right.code, 0)
  for (const { check, status, fix } of findings)
    t.equal(fix !== undefined, status === 'warn' || status === 'fail', `${check}: a fix exactly where one is needed`)

  writeFileSync(file, JSON.stringify({ ...config, capture: { reserve_mb: 1e9 } }))
  const wrong = await quantd(['doctor', '--config', file, '--broker', broker.url])
  t.equal(wrong.code, 1)
  t.match(wrong.out, /fail +disk +\d+ MiB free.*\n +-> free space/)
  t.match(wrong.out, /\n1 failed\n$/)
})
