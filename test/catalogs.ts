import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../src/paths.js'

const source = join(packageRoot, 'src')
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'))
const textOf = (file: string) => readFileSync(join(source, file), 'utf8')

/** Files that plug in: they export what a `define...` function of their folder made (STYLE 6). Error tables have a catalog of their own. */
const plugIns = files.filter(
  file => /^export const \w+(: [^=]+)? = define(?!Errors)[A-Z]\w*\(/m.test(textOf(file)) && !file.endsWith('catalog.ts'),
)

test('every definition of a plug-in folder is in its catalog', async t => {
  t.ok(plugIns.length > 30, `${plugIns.length} definitions`)
  for (const file of plugIns) {
    const catalog = join(dirname(file), 'catalog.ts')
    t.match(textOf(catalog), `'./${file.slice(dirname(file).length + 1, -3)}.js'`, file)
  }
})

test('every definition has its twin among the tests', async t => {
  for (const file of plugIns) {
    const twin = existsSync(join(packageRoot, 'test', file))
    // Verbs, metrics and estimators are tables of cases: one test file holds a whole folder.
    const together =
      existsSync(join(packageRoot, 'test', `${dirname(file)}.ts`)) || existsSync(join(packageRoot, 'test', dirname(file), 'catalog.ts'))
    t.ok(twin || together, file)
  }
})
