import { test } from 'tap'
import type { ExecutedNode } from '../../../src/engines/engine.js'
import { executedKernels, type ProductClass } from '../../../src/quantization/lowering/executed-kernels.js'

const ran = (nodeName: string, nodeType: string, execType: string, fields: Partial<ExecutedNode> = {}): ExecutedNode => ({
  nodeName,
  nodeType,
  execType,
  realUs: 1,
  ran: true,
  ...fields,
})

const named = (names: Readonly<Record<string, ProductClass>>) => new Map(Object.entries(names))

test('a node is found behind what our IR and the transformations put behind its name', async t => {
  const { integerNames, integer } = executedKernels(
    [
      ran('/a/Conv/linear', 'Convolution', 'brgconv_avx512_amx_I8'),
      ran('/fc/Gemm/product/DequantizationMultiply', 'FullyConnected', 'brgemm_avx512_i8'),
      ran('/b/Conv_original', 'Convolution', 'jit_avx512_u8'),
      ran('/c/MatMul', 'FullyConnected', 'brgemm_avx512_I8'),
    ],
    named({ '/a/Conv': 'convolution', '/fc/Gemm': 'matrix', '/b/Conv': 'convolution', '/c/MatMul': 'matrix' }),
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
    named({ '/MatMul': 'matrix', '/MatMul_1': 'matrix', '/other': 'matrix' }),
  )
  t.same([...integerNames], [])
  t.same([...floatNames], ['/MatMul_1'])
})

test('what was fused into another node and what only converts says nothing of a kernel', async t => {
  const names = named({ '/add/Add': 'other', '/conv': 'convolution' })
  const { integerNames, floatNames } = executedKernels(
    [ran('/add/Add', 'Add', 'jit_avx512_f32', { ran: false }), ran('/conv', 'Reorder', 'jit_uni_f32')],
    names,
  )
  t.same([...integerNames, ...floatNames], [])
})

test('bfloat16 and float16 are float, and so is what older releases spell in another way', async t => {
  const kernels = ['brgconv_avx512_amx_bf16', 'jit_f16', 'brgemm_avx512_FP32', 'jit_avx512_BF16']
  for (const kernel of kernels)
    t.same([...executedKernels([ran('/a', 'Convolution', kernel)], named({ '/a': 'convolution' })).floatNames], ['/a'], kernel)
})

test('convolutions under names of the engine are told by their number, where all of them ran alike', async t => {
  const names = named({ '/a': 'convolution', '/b': 'convolution', '/c': 'matrix' })
  const nodes = [ran('Multiply_1', 'Convolution', 'brgconv_I8'), ran('Multiply_2', 'Convolution', 'brgconv_i8')]
  t.same([...executedKernels(nodes, names).integerNames], ['/a', '/b'])
  const mixed = executedKernels([nodes[0]!, ran('Multiply_2', 'Convolution', 'brgconv_f32')], names)
  t.same(
    [[...mixed.integerNames], [...mixed.floatNames]],
    [[], ['/a', '/b']],
    'which of them is which cannot be known: neither counts as integer',
  )
  t.same([...executedKernels(nodes.slice(1), names).integerNames], [], 'one is missing')
})

test('products of two computed values are told from those with weights, also under names of the engine', async t => {
  const names = named({ '/q': 'matrix', '/k': 'matrix', '/scores': 'dynamic' })
  const nodes = [
    ran('FullyConnected_1', 'FullyConnected', 'brgemm_I8'),
    ran('FullyConnected_2', 'FullyConnected', 'brgemm_I8'),
    ran('/Div', 'MatMul', 'brgemm_FP32'),
  ]
  const { integerNames, floatNames, integer } = executedKernels(nodes, names)
  t.same([...integerNames], ['/q', '/k'])
  t.same([...floatNames], ['/scores'])
  t.same(integer, { FullyConnected: 2 })
})

test('where some products under names of the engine ran in float, none of those that were not found counts as integer', async t => {
  const names = named({ '/a': 'matrix', '/b': 'matrix', '/c': 'matrix' })
  for (const second of ['brgemm_I8', 'brgemm_FP32']) {
    const nodes = [ran('FullyConnected_1', 'FullyConnected', 'brgemm_FP32'), ran('FullyConnected_2', 'FullyConnected', second)]
    t.same([...executedKernels(nodes, names).floatNames], ['/a', '/b', '/c'])
  }
})

test('an operator that is one kernel with the quantizer behind it is told by the name of that one', async t => {
  const names = named({ '/add': 'other', '/sum': 'other', '/own': 'other' })
  const readers = new Map([
    ['relu:0/fake-quantize', '/add'],
    ['sum:0/fake-quantize', '/sum'],
    ['own:0/fake-quantize', '/own'],
  ])
  const { integerNames, floatNames, floatInside } = executedKernels(
    [
      ran('relu:0/fake-quantize', 'Subgraph', 'jit_avx512_f32'),
      ran('sum:0/fake-quantize/DequantizationMultiply', 'Subgraph', 'jit_avx512_I8'),
      ran('/own', 'Eltwise', 'jit_avx512_i8'),
      ran('own:0/fake-quantize', 'Subgraph', 'jit_avx512_f32'),
    ],
    names,
    readers,
  )
  t.same([...floatInside!], ['/add'], 'it computes in float, and stays where it is')
  t.same([...floatNames], [])
  t.same([...integerNames].sort(), ['/own', '/sum'], 'what has a kernel of its own is told by that one')
})
