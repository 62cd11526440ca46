import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { migrations } from '../../../../src/gateway/store/migrations/catalog.js'
import { StateStore } from '../../../../src/gateway/store/state-store.js'
import { packageRoot } from '../../../../src/paths.js'

test('every step stands in a file of its number and name, without a gap', async t => {
  const files = readdirSync(join(packageRoot, 'src/gateway/store/migrations'))
    .filter(file => /^\d/.test(file))
    .sort()
  t.same(
    files,
    migrations.map(({ number, what }) => `${String(number).padStart(3, '0')}-${what}.ts`),
  )
  t.same(
    migrations.map(({ number }) => number),
    files.map((_, index) => index + 1),
  )
})

test('the tables hold what they are for and refuse the rest', async t => {
  const store = StateStore.open(t.testdir())
  t.teardown(() => store.close())
  const insert = (state: string) =>
    store.database
      .prepare(
        `INSERT INTO versions (model, version, kind, state, device, engine, artifact, created_at) VALUES ('m', 1, 'float', ?, 'cpu0', 'onnxruntime', 'a', 'now')`,
      )
      .run(state)
  t.throws(() => insert('candidate'), /FOREIGN KEY/, 'a version belongs to a model')
  store.database.exec(`INSERT INTO models (name, bundle, file, manifest, inputs, outputs) VALUES ('m', 'b', 'm.onnx', '{}', '[]', '[]')`)
  t.throws(() => insert('shiny'), /CHECK/)
  insert('candidate')
  store.database.exec(`DELETE FROM models`)
  t.same(store.database.prepare('SELECT * FROM versions').all(), [], 'versions go with their model')
})
