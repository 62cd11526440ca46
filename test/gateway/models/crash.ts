import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { reportFixture } from '../../fixtures/gateway/report.js'
import { openSite } from '../../fixtures/gateway/site.js'

/** What must be there when the process died at a step: the state before that step, or the one after, whole. */
const steps = [
  { at: 'bundle-stored', models: 0 },
  { at: 'after-install', models: 1, active: '1', versions: ['1'] },
  { at: 'artifact-stored', models: 1, active: '1', versions: ['1'] },
  { at: 'before-switch', models: 1, active: '1', versions: ['1', '2'] },
  { at: 'after-switch', models: 1, active: '2', versions: ['1', '2'] },
] as const

for (const step of steps) {
  test(`after a death at '${step.at}' the store is intact and the active model exactly the old or the new`, async t => {
    const folder = t.testdir({ state: {}, 'report.json': JSON.stringify(reportFixture()) })
    const state = join(folder, 'state')
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('../../fixtures/gateway/swap-until-killed.js', import.meta.url)), state, join(folder, 'report.json')],
      { env: { ...process.env, QUANTD_CRASH_AT: step.at, QUANTD_LOG: 'silent' }, stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const said: string[] = []
    child.stdout.on('data', chunk => said.push(String(chunk)))
    const [, signal] = await once(child, 'exit')
    t.equal(signal, 'SIGKILL', said.join())

    const site = await openSite(t, state)
    t.equal(site.store.database.pragma('integrity_check', { simple: true }), 'ok')
    await site.models.restore()
    const models = site.models.list()
    t.equal(models.length, step.models)
    const referenced = models.flatMap(({ versions }) => versions.filter(({ kind }) => kind === 'int8'))
    t.ok(readdirSync(join(state, 'artifacts')).length <= referenced.length * 2, 'no file without a version is left')
    t.equal(readdirSync(join(state, 'bundles')).length, step.models, 'no bundle without a model is left')
    if (step.models === 0) return
    t.match(models, [{ active: step.active, state: 'ready', versions: step.versions.map(version => ({ version })) }])
    t.equal(site.models.acquire('fashion-resnet').route.version, step.active)
  })
}
