import { QuantdError } from '../../errors.js'
import type { AwareEntry } from '../report/report.js'
import { Answers, type Checkpointing, identityOf, type Measured } from './checkpoint.js'
import { type Compared, type Demand, demandsHold, formatDrop, formatValue, lossOf, worstDemand } from './demand.js'
import { estimateSeconds } from './estimate.js'
import { Forecast } from './forecast.js'
import type { Group } from './group.js'
import type { AwareHost, Measurement, Variant } from './host.js'
import { mostRanked, noisiestGroups, rankGroups, type Scored } from './rank-groups.js'
import { rankingSubset } from './ranking-subset.js'

export interface AwareOptions {
  readonly host: AwareHost
  /** At least one. */
  readonly demands: readonly Demand[]
  /** Items that layers are ranked on, at most. */
  readonly rankingItems: number
  readonly maxReverts: number
  /** Monotonic milliseconds: for the figures of the report, never for a choice. */
  readonly now: () => number
  readonly onProgress?: (progress: AwareProgress) => void
  readonly checkpoint?: Checkpointing
  readonly signal?: AbortSignal
}

export interface AwareProgress {
  readonly stage: 'evaluate' | 'rank' | 'revert'
  /** 0..1 of the stage; each time a stage begins anew, from 0. */
  readonly share: number
  /** Seconds that the whole may still take, from the estimate and the pace so far; undefined before there is one. */
  readonly etaS: number | undefined
}

export interface AwareResult {
  readonly variant: Variant
  readonly entry: AwareEntry
}

/**
 * The accuracy-aware pipeline (quantization.md 4.8): quantize fully; while a metric loses more than it may, try the other recipes, then rank the groups of
 * layers on the items where int8 differs most, and make the best float one after the other, each time held to all items. A step that makes the metric worse is
 * undone and the groups are ranked anew, unless it is the first after a ranking. When the demands are not met, the best model that was seen is given.
 * @throws ERR_ABORTED between two evaluations, and what the host throws
 */
export async function accuracyAware(options: AwareOptions): Promise<AwareResult> {
  const float = await options.host.float(options.signal)
  return new AwareRun(options, float).run()
}

/** A variant on all items. */
interface State {
  readonly variant: Variant
  readonly measured: Measured
}

class AwareRun {
  readonly #options: AwareOptions
  readonly #float: Measurement
  readonly #compared: Compared
  readonly #answers: Answers
  readonly #steps: AwareEntry['steps'] = []
  readonly #startedAt: number
  /** Of the last variant that was run on all items here, with what items answered. */
  #last: { readonly variant: Variant; readonly measurement: Measurement } | undefined
  #estimateS: number | undefined
  #forecast: Forecast | undefined
  /** Milliseconds of the first evaluation: what plans are made of. */
  #unit = { openMs: 0, itemsMs: 0 }
  #reverts = 0
  /** Groups that leave less than ample integer work are tried when the others did not do. */
  #sparing = true
  /** Why some groups may not be made float. */
  #floored: string | undefined

  constructor(options: AwareOptions, float: Measurement) {
    const { host, demands, rankingItems, checkpoint, now } = options
    this.#options = options
    this.#float = float
    this.#compared = { demands, float: float.values }
    this.#startedAt = now()
    const figures = float.figures.map(list => [...list])
    const { identity, itemCount, recipes } = host
    this.#answers = new Answers(
      identityOf({ identity, itemCount, recipes, demands, rankingItems, values: float.values, figures }),
      checkpoint,
    )
  }

  async run(): Promise<AwareResult> {
    const plain = await this.#state({ recipe: 0, keepFloat: [] })
    const full = await this.#options.host.place(plain.variant)
    await this.#estimate(plain, full.groups.length)
    const tuned = this.#holds(plain) ? plain : await this.#tune(plain)
    const { state, why } = this.#holds(tuned) ? { state: tuned, why: undefined } : await this.#revert(tuned)
    return { variant: state.variant, entry: await this.#entry({ plain, state, why }) }
  }

  /** Recipe after recipe until one holds; else the one that misses by least. */
  async #tune(plain: State): Promise<State> {
    const { recipes } = this.#options.host
    let best = plain
    for (let recipe = 1; recipe < recipes.length; recipe += 1) {
      this.#progress('evaluate', recipe / recipes.length)
      const next = await this.#state({ recipe, keepFloat: [] })
      const better = this.#isBetter(next, best)
      this.#step('tune', [], next, `${recipes[recipe]}: ${this.#figures(next)}, ${better ? 'the best so far' : 'no better'}`)
      if (better) best = next
      if (this.#holds(best)) break
    }
    return best
  }

  async #revert(tuned: State): Promise<{ readonly state: State; readonly why: string | undefined }> {
    const { host, maxReverts } = this.#options
    const { groups } = await host.place(tuned.variant)
    const reverted: Group[] = []
    let state = tuned
    let best = tuned
    let target = this.#worst(state)
    let order = await this.#rank(state, groups)
    let first = true
    for (;;) {
      const group = order.shift()
      if (group === undefined && this.#sparing) {
        this.#sparing = false
        order = await this.#rank(state, groups)
        first = true
        continue
      }
      if (group === undefined) return { state: best, why: this.#floored ?? 'nothing is left that could be made float' }
      if (this.#reverts === maxReverts) return { state: best, why: `${maxReverts} steps were allowed (max_reverts)` }
      const variant = without(state.variant, group)
      if (variant.keepFloat.length === state.variant.keepFloat.length) continue
      if (!(await this.#isAllowed(variant))) continue
      this.#progress('revert', 1 - 0.8 ** this.#reverts)
      this.#reverts += 1
      const next = await this.#state(variant)
      const change = `${nodesText(group)} in float: ${this.#figures(next)}`
      if (this.#holds(next)) {
        this.#step('revert', group.nodes, next, `${change}; every demand holds`)
        return { state: await this.#giveBack(next, [...reverted, group]), why: undefined }
      }
      if (this.#isBetter(next, best)) best = next
      if (this.#drop(target, next) > this.#drop(target, state) && !first) {
        this.#step('revert', group.nodes, next, `${change}; worse than before`)
        this.#step('undo', group.nodes, state, `${nodesText(group)} back in int8, the groups are ranked anew`)
        order = await this.#rank(state, groups)
        first = true
        continue
      }
      this.#step('revert', group.nodes, next, first ? `${change}; the first of its ranking, kept` : `${change}; kept`)
      reverted.push(group)
      state = next
      first = false
      const worst = this.#worst(state)
      if (worst === target) continue
      target = worst
      order = await this.#rank(state, groups)
      first = true
    }
  }

  /** What was made float on the way and is not needed in the end turns int8 again, the earliest first: float costs time. The last one is what reached it. */
  async #giveBack(reached: State, reverted: readonly Group[]): Promise<State> {
    let state = reached
    let kept = reverted
    for (const group of reverted.slice(0, -1)) {
      const others = kept.filter(other => other !== group)
      const keepFloat = [...new Set(others.flatMap(({ nodes }) => nodes))].sort()
      if (keepFloat.length === state.variant.keepFloat.length) continue
      const next = await this.#state({ ...state.variant, keepFloat })
      if (!this.#holds(next)) continue
      this.#step('undo', group.nodes, next, `${nodesText(group)} back in int8: ${this.#figures(next)}; every demand holds without it`)
      state = next
      kept = others
    }
    return state
  }

  /** The groups that are not float yet, the best to revert first, by the metric that misses by most. */
  async #rank(state: State, groups: readonly Group[]): Promise<Group[]> {
    const { host, demands } = this.#options
    const metric = this.#worst(state)
    const left: Group[] = []
    for (const group of groups) {
      const variant = without(state.variant, group)
      if (variant.keepFloat.length > state.variant.keepFloat.length && (await this.#isAllowed(variant))) left.push(group)
    }
    if (left.length === 0) return []
    const subset = await this.#subset(state, metric)
    const ranked = left.length > mostRanked ? noisiestGroups(left, await host.addedNoise(state.variant)) : left
    const { noise } = await this.#on(state.variant, subset)
    const scored: Scored[] = []
    for (const [at, group] of ranked.entries()) {
      this.#progress('rank', at / ranked.length)
      scored.push({ group, without: await this.#on(without(state.variant, group), subset) })
    }
    const order = [...rankGroups({ scored, metric, kind: demands[metric]!.kind, noise })]
    const best = order[0] === undefined ? 'none is left' : `${nodesText(order[0])} first`
    const how = `${ranked.length} of ${left.length} groups on ${subset.length} items by ${demands[metric]!.name}`
    this.#step('rank', [], state, `ranked ${how}: ${best}`)
    return order
  }

  /** Remembers why not. */
  async #isAllowed(variant: Variant): Promise<boolean> {
    const { ample, gap } = await this.#options.host.place(variant)
    if (gap === undefined) return ample || !this.#sparing
    this.#floored = `more float would leave no int8 model (${gap})`
    return false
  }

  #subset({ variant }: State, metric: number): Promise<readonly number[]> {
    const { host, rankingItems, signal } = this.#options
    // One subset for all rankings of a recipe and metric: on the fully quantized model, where the differences are all there.
    const full: Variant = { ...variant, keepFloat: [] }
    return this.#answers.subset(`${metric} ${questionOf(full)}`, async () => {
      const last = this.#last
      const known = last !== undefined && questionOf(last.variant) === questionOf(full) ? last.measurement : undefined
      const all = Array.from({ length: host.itemCount }, (_, item) => item)
      const int8 = known === undefined || known.distances.some(Number.isNaN) ? await host.measure(full, all, signal) : known
      return rankingSubset({ float: this.#float, int8, metric, count: rankingItems })
    })
  }

  /** A variant on all items. */
  async #state(variant: Variant): Promise<State> {
    const measured = await this.#answer(questionOf(variant), this.#options.host.itemCount, async () => {
      const measurement = await this.#measure(variant, undefined)
      this.#last = { variant, measurement }
      return measurement
    })
    return { variant, measured }
  }

  /** A variant on some items. */
  #on(variant: Variant, items: readonly number[]): Promise<Measured> {
    const question = `${questionOf(variant)} on ${identityOf(items).slice(0, 16)}`
    return this.#answer(question, items.length, () => this.#measure(variant, items))
  }

  /** Known from before or asked now; either way that much of the plan is done. */
  async #answer(question: string, itemCount: number, ask: () => Promise<Measurement>): Promise<Measured> {
    const { now, host } = this.#options
    let tookMs: number | undefined
    const measured = await this.#answers.measured(question, async () => {
      const since = now()
      const measurement = await ask()
      tookMs = now() - since
      return measuredOf(measurement)
    })
    this.#forecast?.done(this.#unit.openMs + (this.#unit.itemsMs * itemCount) / Math.max(1, host.itemCount), tookMs)
    return measured
  }

  #measure(variant: Variant, items: readonly number[] | undefined): Promise<Measurement> {
    const { host, signal } = this.#options
    if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'accuracy-aware quantization aborted', { cause: signal.reason })
    return host.measure(variant, items, signal)
  }

  async #estimate(plain: State, groupCount: number): Promise<void> {
    const { host, rankingItems, maxReverts } = this.#options
    const { openMs, itemsMs } = plain.measured
    this.#unit = { openMs, itemsMs }
    this.#estimateS = this.#holds(plain)
      ? 0
      : estimateSeconds({
          openMs,
          itemsMs,
          items: host.itemCount,
          rankingItems: Math.min(rankingItems, host.itemCount),
          groups: Math.min(mostRanked, groupCount),
          recipes: host.recipes.length - 1,
          maxReverts,
        })
    this.#forecast = new Forecast(this.#estimateS * 1000)
    this.#progress('evaluate', 1 / host.recipes.length)
  }

  #progress(stage: AwareProgress['stage'], share: number): void {
    const etaS = this.#forecast === undefined ? undefined : this.#forecast.leftMs / 1000
    this.#options.onProgress?.({ stage, share, etaS })
  }

  #holds({ measured }: State): boolean {
    return demandsHold(this.#compared, measured.values)
  }

  #worst({ measured }: State): number {
    return worstDemand(this.#compared, measured.values).at
  }

  /** What the metric loses. */
  #drop(metric: number, { measured }: State): number {
    return lossOf(this.#options.demands[metric]!, this.#float.values[metric]!, measured.values[metric]!)
  }

  /** Misses its worst demand by less; of equals, the one with less noise where nothing more is float. */
  #isBetter(a: State, b: State): boolean {
    const [left, right] = [a, b].map(({ measured }) => worstDemand(this.#compared, measured.values).excess)
    if (left !== right) return left! < right!
    return a.variant.keepFloat.length <= b.variant.keepFloat.length && a.measured.noise < b.measured.noise
  }

  #figures(state: State): string {
    return this.#options.demands
      .map((demand, metric) => {
        const drop = this.#drop(metric, state)
        const change = drop < 0 ? `${formatDrop(demand, -drop)} gained` : `${formatDrop(demand, drop)} lost`
        return `${demand.name} ${formatValue(demand, state.measured.values[metric]!)}, ${change} (${formatDrop(demand, demand.maxDrop)} allowed)`
      })
      .join('; ')
  }

  #step(step: AwareEntry['steps'][number]['step'], nodes: readonly string[], { measured }: State, sentence: string): void {
    const metrics = Object.fromEntries(this.#options.demands.map(({ name }, metric) => [name, measured.values[metric]!]))
    this.#steps.push({ step, nodes: [...nodes], metrics, sentence })
  }

  async #entry({ plain, state, why }: { plain: State; state: State; why: string | undefined }): Promise<AwareEntry> {
    const { host, rankingItems, now } = this.#options
    const [full, left] = [await host.place({ ...state.variant, keepFloat: [] }), await host.place(state.variant)]
    const stayed = new Set(left.quantized)
    const kept = full.quantized.filter(name => stayed.has(name)).length
    const reached = this.#holds(state)
    const recipe = state.variant.recipe === 0 ? '' : ` with ${host.recipes[state.variant.recipe]}`
    const share = `${kept} of ${full.quantized.length} quantized operators stay int8`
    const sentence =
      state === plain && reached
        ? `int8 holds every demand as it is: ${this.#figures(state)}`
        : reached
          ? `reached${recipe} in ${this.#reverts} reverts, ${share}: ${this.#figures(state)}`
          : `not reached, ${why}; the best that was seen${recipe} is kept, ${share}: ${this.#figures(state)}`
    return {
      reached,
      sentence,
      estimate_s: this.#estimateS ?? 0,
      seconds: Math.round(now() - this.#startedAt) / 1000,
      items: host.itemCount,
      ranking_items: Math.min(rankingItems, host.itemCount),
      kept: full.quantized.length === 0 ? 1 : kept / full.quantized.length,
      steps: this.#steps,
    }
  }
}

/** `variant` with the nodes of `group` float as well. */
function without(variant: Variant, { nodes }: Group): Variant {
  return { ...variant, keepFloat: [...new Set([...variant.keepFloat, ...nodes])].sort() }
}

/** A variant as the checkpoint names it. */
const questionOf = ({ recipe, keepFloat }: Variant) =>
  keepFloat.length === 0 ? `recipe ${recipe}` : `recipe ${recipe}, float ${identityOf(keepFloat).slice(0, 16)}`

const measuredOf = ({ values, noise, openMs, itemsMs }: Measurement): Measured => ({ values: [...values], noise, openMs, itemsMs })

const nodesText = ({ nodes }: Group) => nodes.map(node => `'${node}'`).join(', ')
