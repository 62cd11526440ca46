import { groupsOf } from '../accuracy-aware/group.js'
import type { AwareHost, Measurement, Placed, Variant } from '../accuracy-aware/host.js'
import type { MeasuredItems } from '../accuracy-aware/measured-items.js'
import type { CandidateMaker, Recipe } from '../candidate.js'
import { addedNoise } from '../compare-layers.js'
import { coverageFloor, coverageGap, coverageOf } from '../coverage.js'
import { layerNoise } from './keep-float.js'
import type { CandidateOpener } from './open-candidates.js'

/** A maker and its recipe. */
export interface Made {
  readonly maker: CandidateMaker
  readonly recipe: Recipe
}

/** A recipe that tuning may try; made when it is its turn, and then kept. */
export interface NamedRecipe {
  readonly name: string
  make(): Promise<Made>
}

export interface CandidateHostOptions {
  readonly opener: CandidateOpener
  readonly items: MeasuredItems
  /** The plain one first. */
  readonly recipes: readonly [NamedRecipe, ...NamedRecipe[]]
  readonly identity: string
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Why a node is float, as the report says it. */
const reason = 'kept float by accuracy-aware quantization'

/** Makes, opens and runs the candidates that the accuracy-aware pipeline asks for. */
export class CandidateHost implements AwareHost {
  readonly identity: string
  readonly recipes: readonly string[]
  readonly #options: CandidateHostOptions
  readonly #made = new Map<number, Promise<Made>>()

  constructor(options: CandidateHostOptions) {
    this.#options = options
    this.identity = options.identity
    this.recipes = options.recipes.map(({ name }) => name)
  }

  get itemCount(): number {
    return this.#options.items.count
  }

  async float(signal?: AbortSignal): Promise<Measurement> {
    const { items, now } = this.#options
    const start = now()
    const measured = await items.float(signal)
    return { ...measured, openMs: 0, itemsMs: now() - start }
  }

  async place(variant: Variant): Promise<Placed> {
    const { maker, recipe } = await this.made(variant)
    const placement = maker.place(recipe.keepFloat)
    return {
      groups: groupsOf(placement),
      quantized: placement.layers.filter(({ state }) => state === 'int8').map(({ node }) => node.name),
      ample: coverageOf(placement.layers) >= coverageFloor,
      gap: coverageGap(placement.layers),
    }
  }

  async measure(variant: Variant, indices: readonly number[] | undefined, signal?: AbortSignal): Promise<Measurement> {
    const { opener, items, now } = this.#options
    const { maker, recipe } = await this.made(variant)
    const start = now()
    const session =
      indices === undefined ? (await opener.openUnmeasured(maker, recipe)).session : await opener.openForRanking(maker, recipe)
    try {
      const opened = now()
      const measured = await items.int8(session, indices, signal)
      return { ...measured, openMs: opened - start, itemsMs: now() - opened }
    } finally {
      await session.close()
    }
  }

  async addedNoise(variant: Variant): Promise<ReadonlyMap<string, number>> {
    const { maker, recipe } = await this.made(variant)
    const candidate = maker.make(recipe)
    return addedNoise(candidate.placement, await layerNoise(this.#options.opener, { maker, candidate }))
  }

  /** The recipe of a variant, with what it keeps float. */
  async made({ recipe: index, keepFloat }: Variant): Promise<Made> {
    const pending = this.#made.get(index) ?? this.#options.recipes[index]!.make()
    this.#made.set(index, pending)
    const { maker, recipe } = await pending
    return { maker, recipe: { ...recipe, keepFloat: new Map([...recipe.keepFloat, ...keepFloat.map(name => [name, reason] as const)]) } }
  }
}
