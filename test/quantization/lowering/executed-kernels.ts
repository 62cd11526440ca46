import { test } from 'tap'
import type { ExecutedNode } from '../../../src/engines/engine.js'
import { executedKernels } from '../../../src/quantization/lowering/executed-kernels.js'

const ran = (nodeName: string, nodeType: string, execType: string, fields: Partial<ExecutedNode> = {}): ExecutedNode => ({
  nodeName,
  nodeType,
  execType,
  realUs: 1,
  ran: true,
  ...fields,
})

test('a node is found behind what our IR and the transformations put behind its name', async t => {
  const { integerNames, integer } = executedKernels(
    [
      ran('/a/Conv/linear', 'Convolution', 'brgconv_avx512_amx_I8'),
      ran('/fc/Gemm/product/DequantizationMultiply', 'FullyConnected', 'brgemm_avx512_i8'),
      ran('/b/Conv_original', 'Convolution', 'jit_avx512_u8'),
      ran('/c/MatMul', 'FullyConnected', 'brgemm_avx512_I8'),
    ],
    new Set(['/a/Conv', '/fc/Gemm', '/b/Conv', '/c/MatMul']),
  )
  t.same([...integerNames], ['/a/Conv', '/fc/Gemm', '/b/Conv', '/c/MatMul'])
  t.same(integer, { Convolution: 2, FullyConnected: 2 })
})

test('a longer name is not taken for the one that it starts with', async t => {
  const { integerNames, floatNames } = executedKernels(
    [
      ran('/MatMul_1', 'FullyConnected', 'brgemm_avx512_f32'),
      ran('/MatMul_1_output_0/fake-quantize', 'Subgraph', 'jit_avx512_i8'),
      ran('/MatMul/other', 'FullyConnected', 'brgemm_avx512_I8'),
    ],
    new Set(['/MatMul', '/MatMul_1']),
  )
  t.same([...integerNames], [])
  t.same([...floatNames], ['/MatMul_1'])
})

test('what was fused into another node and what only converts says nothing of a kernel', async t => {
  const names = new Set(['/add/Add', '/conv'])
  const { integerNames, floatNames } = executedKernels(
    [ran('/add/Add', 'Add', 'jit_avx512_f32', { ran: false }), ran('/conv', 'Reorder', 'jit_uni_f32')],
    names,
  )
  t.same([...integerNames, ...floatNames], [])
})

test('bfloat16 and float16 are float', async t => {
  const executed = [ran('/a', 'Convolution', 'brgconv_avx512_amx_bf16'), ran('/b', 'MatMul', 'jit_f16')]
  t.same([...executedKernels(executed, new Set(['/a', '/b'])).floatNames], ['/a', '/b'])
})
