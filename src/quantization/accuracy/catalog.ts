import { agreement } from './agreement.js'
import type { Metric } from './metric.js'
import { rmse } from './rmse.js'
import { text } from './text.js'
import { top1 } from './top1.js'

/** Metrics that give one number per item; `signal` beside them is what `Signal` gathers over all. */
export const metrics = [agreement, rmse, text, top1] as const satisfies readonly Metric[]
