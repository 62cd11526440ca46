import { test } from 'tap'
import { checkClock, checkDaemon, checkNode, daemonOutOfReach } from '../../../src/cli/doctor/host.js'

test('Node from 20.19 passes, older ones fail with what to do', async t => {
  for (const [version, status] of [
    ['20.19.0', 'pass'],
    ['24.0.1', 'pass'],
    ['20.18.3', 'fail'],
    ['18.20.0', 'fail'],
  ] as const) {
    t.equal(checkNode(version).status, status, version)
  }
  t.match(checkNode('18.0.0').fix, '20.19')
})

test('a clock that started in 1970 fails, one that nothing corrects warns', async t => {
  const now = Date.UTC(2026, 10, 24)
  t.equal(checkClock(3600_000, true).status, 'fail')
  t.equal(checkClock(now, false).status, 'warn')
  t.equal(checkClock(now, true).status, 'pass')
  t.equal(checkClock(now, undefined).status, 'pass', 'no time service that we know: nothing is claimed')
})

test('a missing daemon is no failure: doctor also comes before the first start', async t => {
  t.equal(checkDaemon(undefined).status, 'skip')
  t.match(checkDaemon('/run/x'), { status: 'pass', found: /\/run\/x/ })
})

test('a control socket that we may not use is a warning that names it and what to do', async t => {
  t.match(daemonOutOfReach(new Error('/run/x: permission denied')), { status: 'warn', found: /\/run\/x/, fix: /user of the service/ })
})
