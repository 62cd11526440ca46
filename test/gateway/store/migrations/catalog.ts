import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { ModelTable } from '../../../../src/gateway/models/stored-model.js'
import { openDatabase } from '../../../../src/gateway/store/database.js'
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

test('a database of the first release keeps its models and versions, and a copy of itself', async t => {
  const folder = t.testdir()
  const old = openDatabase({ path: join(folder, 'state.db'), migrations: migrations.slice(0, 1), synchronous: 'FULL' })
  old.exec(`
    INSERT INTO models (name, bundle, file, manifest, inputs, outputs, active) VALUES ('m', 'b', 'm.onnx', '{}', '[]', '[]', '2');
    INSERT INTO versions (model, version, kind, state, device, engine, artifact, scheme, created_at)
      VALUES ('m', 1, 'float', 'previous', 'cpu0', 'onnxruntime', 'a', NULL, 'now'), ('m', 2, 'int8', 'active', 'cpu0', 'onnxruntime', 'q', 'symmetric', 'now');
  `)
  old.close()
  const store = StateStore.open(folder)
  t.teardown(() => store.close())
  const table = new ModelTable(store)
  const [model] = table.all()
  t.match(model, { name: 'm', active: '2', versions: [{ kind: 'float' }, { kind: 'int8', scheme: 'symmetric' }] })
  t.notOk(model!.versions.some(version => 'precision' in version))
  const added = { ...model!.versions[0]!, version: '3', state: 'candidate', device: 'openvino-cpu', precision: 'bfloat16' } as const
  table.save({ ...model!, versions: [...model!.versions, added] })
  t.match(table.all()[0]?.versions[2], added)
  t.throws(() => store.database.exec(`UPDATE versions SET precision = 'float8'`), /CHECK/)
  t.ok(existsSync(join(folder, 'state.db.v1')))
})
