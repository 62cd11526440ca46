import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../../src/paths.js'

const unit = join(packageRoot, 'systemd/quantd.service')

test('systemd rates the exposure of the unit at 1.6 or less', async t => {
  const report = execFileSync('systemd-analyze', ['security', '--offline=true', '--no-pager', unit], { encoding: 'utf8' })
  const exposure = Number(/Overall exposure level for quantd\.service: ([\d.]+)/.exec(report)?.[1])
  t.ok(exposure <= 1.6, `${exposure}`)
})

test('the unit keeps the calls that lower the job worker and pin threads', async t => {
  const text = readFileSync(unit, 'utf8')
  for (const call of ['setpriority', 'sched_setaffinity']) t.match(text, new RegExp(`^SystemCallFilter=[^~]*\\b${call}\\b`, 'm'), call)
  t.match(text, /^Type=notify$/m)
  t.match(text, /^StartLimitIntervalSec=0$/m)
})

test('the udev rule names the sticks of vpu-protocol.md 1.1, booted and not', async t => {
  const rule = readFileSync(join(packageRoot, 'systemd/quantd.rules'), 'utf8')
  for (const id of ['2150', '2485', 'f63b']) t.match(rule, id)
})
