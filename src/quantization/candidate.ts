import { QuantdError } from '../errors.js'
import type { Model } from '../graph/graph.js'
import { type IrFiles, writeIr } from '../graph/ir/write.js'
import type { Node } from '../graph/node.js'
import { writeModel } from '../graph/onnx/write.js'
import { constantData } from '../graph/tensor/tensor.js'
import { once } from '../once.js'
import { type ActivationParameters, assignParameters } from './algorithms/assign-parameters.js'
import { biasShift } from './algorithms/fast-bias-correction.js'
import { givenWeights } from './algorithms/given-weights.js'
import { type QuantizedWeights, quantizeWeights } from './algorithms/quantize-weights.js'
import type { TunedLayers } from './algorithms/tuned-layers.js'
import type { Basis } from './basis.js'
import type { CostTable } from './costs/cost-table.js'
import { tableCosts } from './costs/table-costs.js'
import { coverageFloorOf } from './coverage.js'
import type { Codes } from './lowering/emitter.js'
import type { GivenQuantizers } from './placement/given-quantizers.js'
import type { Placement, Quantizer } from './placement/placement.js'
import type { Shapes } from './placement/shapes.js'
import type { Unit } from './placement/unit.js'
import type { ActivationMode, Range } from './ranges/affine.js'
import { type RangeEstimatorName, rangeEstimator } from './ranges/catalog.js'
import type { RangeEstimator } from './ranges/range-estimator.js'
import type { Target } from './target.js'

/** What is the same for every candidate of one quantization. */
export interface CandidateContext {
  readonly basis: Basis
  readonly weightRange: 'full' | 'half'
  /** What the device spec decides: places and what is written. */
  readonly target: Target
  readonly activationCodes: Codes
  /** Quantizers that the model brought along; absent = none. */
  readonly given?: GivenQuantizers
  /** A table of measured costs that placement follows; absent = the built-in rules alone. */
  readonly costs?: CostTable
  /** Puts back what was unfolded to be quantized (`takeBranches`); absent = nothing was. */
  readonly refold?: (lowered: Model) => Model
}

/** The choices that make one candidate. */
export interface Recipe {
  readonly mode: ActivationMode
  readonly estimator: RangeEstimatorName
  /** Nodes that stay float, by name, and why. */
  readonly keepFloat: ReadonlyMap<string, string>
  /** Ranges that an estimator with a second look chose, by value (`refineRanges`). */
  readonly refined?: ReadonlyMap<string, Range>
  readonly biasCorrection: 'off' | 'fast'
  /** Weights and biases that tuning or full bias correction worked out. */
  readonly tuned?: TunedLayers
}

export interface Candidate {
  readonly recipe: Recipe
  readonly placement: Placement
  readonly parameters: ReadonlyMap<string, ActivationParameters>
  readonly weights: ReadonlyMap<Node, QuantizedWeights>
  /** What ONNX Runtime runs: the model of the target, or its emulation. */
  readonly lowered: Model
  /** The same as a file, made when it is asked for. */
  readonly bytes: Uint8Array
  /** The ONNX file of the target. */
  readonly written: () => Uint8Array
  /** Its IR files; undefined for targets without, and for a model with an operator that IR does not have. */
  readonly ir: () => IrFiles | undefined
}

/** Makes candidates of one model; what they share (weights as codes) is computed once. */
export class CandidateMaker {
  readonly context: CandidateContext
  readonly #weights = new Map<Node, QuantizedWeights>()
  readonly #placements = new WeakMap<Recipe['keepFloat'], Placement>()

  constructor(context: CandidateContext) {
    this.context = context
  }

  /** The same placement for the same map: by measured costs it is searched for. */
  place(keepFloat: Recipe['keepFloat']): Placement {
    const known = this.#placements.get(keepFloat)
    if (known !== undefined) return known
    const placement = this.#place(keepFloat)
    this.#placements.set(keepFloat, placement)
    return placement
  }

  #place(keepFloat: Recipe['keepFloat']): Placement {
    const {
      basis: { model, shapes },
      target,
      given,
      costs,
    } = this.context
    return target.place({
      graph: model.graph,
      shapes,
      keepFloat,
      ...(given === undefined ? {} : { given }),
      ...(costs === undefined ? {} : { costs: tableCosts(costs, { graph: model.graph, shapes, floorOf: coverageFloorOf }) }),
    })
  }

  make(recipe: Recipe): Candidate {
    const {
      basis: { model, shapes, statistics },
      activationCodes,
      target,
      refold = lowered => lowered,
    } = this.context
    const placement = this.place(recipe.keepFloat)
    const parameters = assignParameters({
      placement,
      statistics,
      mode: recipe.mode,
      estimatorOf: estimatorFor(model, recipe.estimator),
      refined: recipe.refined ?? new Map(),
      scales: target.scales,
      ...(recipe.tuned?.ranges === undefined ? {} : { tuned: recipe.tuned.ranges }),
    })
    const linear = [...placement.units.values()].filter(unit => unit.form === 'linear')
    const weights = new Map(linear.map(unit => [unit.main, recipe.tuned?.weights.get(unit.main) ?? this.#weightsOf(unit)]))
    const biases = new Map<Node, Float64Array>()
    for (const unit of linear) {
      const bias =
        recipe.tuned?.biases.get(unit.main) ??
        this.#biasOf(unit, {
          weights: weights.get(unit.main)!,
          offset: parameters.get(unit.data[0]!)!.offset,
          biasCorrection: recipe.biasCorrection,
        })
      if (bias !== undefined) biases.set(unit.main, bias)
    }
    const { evaluated, result } = target.lower({ model, shapes, placement, parameters, weights, biases, activationCodes })
    const bytes = once(() => writeModel(refold(evaluated())))
    const written = target.files === 'ir' ? once(() => writeModel(refold(result))) : bytes
    const ir = once(() => (target.files === 'ir' ? irOf(refold(result), shapes) : undefined))
    return {
      recipe,
      placement,
      parameters,
      weights,
      get lowered() {
        return evaluated()
      },
      get bytes() {
        return bytes()
      },
      written,
      ir,
    }
  }

  #weightsOf(unit: Unit): QuantizedWeights {
    const known = this.#weights.get(unit.main)
    if (known !== undefined) return known
    const { graph } = this.context.basis.model
    const given = this.context.given?.weights.get(unit.weight ?? '')
    const weights =
      given === undefined
        ? quantizeWeights(graph, unit, this.context.weightRange, this.context.target.scales)
        : givenWeights(graph, unit.weight!, given)
    this.#weights.set(unit.main, weights)
    return weights
  }

  /** The float bias with what fast correction adds to it for these weights. */
  #biasOf(
    unit: Unit,
    { weights, offset, biasCorrection }: { weights: QuantizedWeights; offset: number } & Pick<Recipe, 'biasCorrection'>,
  ): Float64Array | undefined {
    const tensor = unit.bias === undefined ? undefined : this.context.basis.model.graph.constant(unit.bias)
    const float = tensor === undefined ? undefined : Float64Array.from(constantData(tensor) as Float32Array)
    const means = this.context.basis.statistics.means.get(unit.data[0]!)
    if (biasCorrection === 'off' || means === undefined) return float
    const shift = biasShift({ unit, weights, means, offset })
    return float === undefined ? shift : shift.map((value, channel) => value + float[channel]!)
  }
}

function irOf(model: Model, shapes: Shapes): IrFiles | undefined {
  try {
    return writeIr(model, { shapes })
  } catch (error) {
    if (error instanceof QuantdError && error.code === 'ERR_IR_OP') return undefined
    throw error
  }
}

/** Inputs of the model keep their exact ends, whatever the estimator: what a camera gives is bounded, and the first layer feels it (quantization.md 6.3). */
export function estimatorFor({ graph }: Model, name: RangeEstimatorName): (quantizer: Quantizer) => RangeEstimator {
  const inputs = new Set(graph.inputs.map(input => input.name))
  return ({ value }) => rangeEstimator(inputs.has(value) ? 'min-max' : name)
}
