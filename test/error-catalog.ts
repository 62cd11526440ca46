import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { errorCatalog, errorTables } from '../src/error-catalog.js'
import { packageRoot } from '../src/paths.js'

const source = join(packageRoot, 'src')
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'))
const texts = new Map(files.map(file => [file, readFileSync(join(source, file), 'utf8')]))

/** Codes that a file names in quotes: thrown, compared or declared. */
const named = (text: string) => [...text.matchAll(/'(ERR_[A-Z0-9_]+)'/g)].map(match => match[1]!)

test('every code that the source names is in a table', async t => {
  for (const [file, text] of texts) for (const code of named(text)) t.ok(code in errorCatalog, `${file}: ${code}`)
})

test('every table is in the catalog', async t => {
  const declared = [...texts].filter(([, text]) => /= defineErrors\(\{/.test(text)).map(([file]) => file)
  t.equal(declared.length, errorTables.length, declared.join(' '))
})

test('every code of a table is used, and declared once', async t => {
  const used = new Set([...texts].flatMap(([, text]) => named(text)))
  for (const code of Object.keys(errorCatalog)) t.ok(used.has(code), code)
  const codes = errorTables.flatMap(table => Object.keys(table))
  t.equal(new Set(codes).size, codes.length)
})

test('every code says what to do in a sentence', async t => {
  for (const [code, text] of Object.entries(errorCatalog)) t.match(text, /^[A-Z`].{20,}[.)]$/s, code)
})
