import { test } from 'tap'
import { formatTable } from '../../../src/quantization/report/text-table.js'

const columns = [
  { title: 'name', value: (row: { a: string; n?: number }) => row.a },
  { title: 'count', value: (row: { a: string; n?: number }) => row.n, align: 'right' as const },
  { title: 'text', value: (row: { a: string; n?: number }) => row.a.repeat(3) },
]

test('columns are as wide as their widest cell, numbers stand right, nothing trails', async t => {
  t.equal(
    formatTable([{ a: 'x', n: 5 }, { a: 'long' }], columns),
    ['name  count  text', 'x         5  xxx', 'long      -  longlonglong', ''].join('\n'),
  )
})

test('lines longer than the terminal are cut, and say so', async t => {
  for (const line of formatTable([{ a: 'long', n: 1 }], columns, { width: 16 })
    .trimEnd()
    .split('\n'))
    t.ok(line.length <= 16, line)
  t.match(formatTable([{ a: 'long', n: 1 }], columns, { width: 16 }), '…\n')
})

test('no rows give no title', async t => {
  t.equal(formatTable([], columns), '')
})
