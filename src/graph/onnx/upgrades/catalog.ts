import { batchNormalization } from './batch-normalization.js'
import { clip } from './clip.js'
import { dropout } from './dropout.js'
import { pad } from './pad.js'
import { reduceSum } from './reduce-sum.js'
import { resize } from './resize.js'
import { roiAlign } from './roi-align.js'
import { scan } from './scan.js'
import { scatter } from './scatter.js'
import { slice } from './slice.js'
import { softmax } from './softmax.js'
import { split } from './split.js'
import { squeeze } from './squeeze.js'
import { topK } from './top-k.js'
import { unsqueeze } from './unsqueeze.js'
import type { Upgrade } from './upgrade.js'

export const upgrades = [
  batchNormalization,
  clip,
  dropout,
  pad,
  reduceSum,
  resize,
  roiAlign,
  scan,
  scatter,
  slice,
  softmax,
  split,
  squeeze,
  topK,
  unsqueeze,
] as const satisfies readonly Upgrade[]
