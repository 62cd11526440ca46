import { test } from 'tap'
import { freeBytes, isDiskFull, requireSpace } from '../../../src/gateway/store/disk.js'

test('space is refused when it would eat into the reserve, with the figures', async t => {
  const path = t.testdir()
  const free = freeBytes(path)
  t.ok(free > 0)
  requireSpace({ path, sizeBytes: 1, reserveBytes: 0, purpose: 'nothing much' })
  t.throws(() => requireSpace({ path, sizeBytes: 1, reserveBytes: free * 2, purpose: 'requantize' }), {
    code: 'ERR_STORE_FULL',
    message: /^requantize: 1 MiB needed/,
  })
})

test('a full disk is told from other failures', async t => {
  const failure = (code: string) => Object.assign(new Error(code), { code })
  t.ok(isDiskFull(failure('ENOSPC')))
  t.ok(isDiskFull(failure('SQLITE_FULL')))
  t.notOk(isDiskFull(failure('EACCES')))
  t.notOk(isDiskFull('ENOSPC'))
})
