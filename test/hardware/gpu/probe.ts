import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import { test } from 'tap'
import { probeGpu } from '../../../src/hardware/gpu/probe.js'
import { packageRoot } from '../../../src/paths.js'

/** SwiftShader, a Vulkan driver in software, as @sparticuz/chromium ships it (DESIGN 5). */
function swiftShader(folder: string): NodeJS.ProcessEnv {
  const archive = join(folder, 'swiftshader.tar')
  writeFileSync(archive, brotliDecompressSync(readFileSync(join(packageRoot, 'node_modules/@sparticuz/chromium/bin/swiftshader.tar.br'))))
  execFileSync('tar', ['xf', archive, '-C', folder])
  return { ...process.env, LD_LIBRARY_PATH: folder, VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json') }
}

test('a software driver is found once, with its limits, and called software', {
  skip: process.platform !== 'linux' && 'SwiftShader of Linux',
}, async t => {
  const { devices, reason } = await probeGpu({ env: swiftShader(t.testdir({})) })
  t.equal(reason, '')
  t.equal(devices.length, 1, 'the same adapter under three preferences is one device')
  t.match(devices[0], {
    id: 'gpu0',
    kind: 'webgpu',
    vendor: 'google',
    facts: { backend: 'vulkan', software: true, int8_dot_product: true, max_workgroup_invocations: Number },
  })
  t.ok(devices[0]?.features.includes('packed_4x8_integer_dot_product'))
  t.ok(Number(devices[0]?.facts.max_storage_binding_mib) >= 128, 'at least what WebGPU guarantees')
})

test('no driver is an answer with a reason', async t => {
  const folder = t.testdir({ 'none.json': '{"file_format_version":"1.0.0","ICD":{"library_path":"./none.so","api_version":"1.0.0"}}' })
  const { devices, reason } = await probeGpu({
    env: { ...process.env, LD_LIBRARY_PATH: folder, VK_ICD_FILENAMES: join(folder, 'none.json') },
  })
  t.same(devices, [])
  t.match(reason, /no GPU adapter: \S/)
})

test('a probe that crashes, hangs, lies or is stopped costs nothing but the GPUs', async t => {
  const folder = t.testdir({
    'crash.mjs': 'process.kill(process.pid, "SIGSEGV")',
    'hang.mjs': 'setInterval(() => {}, 1000)',
    'lie.mjs': 'console.log(`[{"vendor":1}]`)',
    'late-crash.mjs': 'process.stdout.write(`[]\\n`, () => process.kill(process.pid, "SIGABRT"))',
  })
  const probe = (name: string, options = {}) => probeGpu({ entry: join(folder, name), ...options })
  t.match((await probe('crash.mjs')).reason, 'ended by SIGSEGV')
  t.match((await probe('hang.mjs', { timeoutMs: 50 })).reason, 'did not answer within 50 ms')
  t.match((await probe('lie.mjs')).reason, 'something else than adapters')
  t.match((await probe('late-crash.mjs')).reason, 'no GPU adapter', 'what was printed before the crash counts')
  t.match((await probe('hang.mjs', { signal: AbortSignal.abort() })).reason, 'was stopped')
})
