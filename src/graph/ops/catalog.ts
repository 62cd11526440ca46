import { elementwiseRules } from './elementwise.js'
import type { FactRule } from './facts.js'
import { layoutRules } from './layout.js'
import { linearRules } from './linear.js'
import { shapeArithmeticRules } from './shape-arithmetic.js'
import { windowRules } from './window.js'

/** What is known of the outputs of each ai.onnx operator; the others give none. */
export const factRules: ReadonlyMap<string, FactRule> = new Map([
  ...elementwiseRules,
  ...shapeArithmeticRules,
  ...layoutRules,
  ...windowRules,
  ...linearRules,
])
