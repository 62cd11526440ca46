import type { PlacedLayer } from './placement.js'
import type { Unit } from './unit.js'

/** Microseconds of one unit in either form, its conversions apart. */
export interface UnitTimes {
  readonly float: number
  readonly int8: number
}

/** What was found to be the fastest for a whole model. */
export interface WholeVerdict {
  readonly fastest: 'float' | 'int8' | 'mixed'
  readonly reason: string
}

/** What placement asks of a table of measured costs. All in microseconds at the shapes of the model. */
export interface MeasuredCosts {
  /** Undefined where the table does not know the unit: the built-in rules hold for it. */
  readonly timesOf: (unit: Unit) => UnitTimes | undefined
  /** Floats become codes behind `value`. */
  readonly enter: (value: string) => number
  /** Codes become floats behind `value`. */
  readonly leave: (value: string) => number
  /** What whole models with these units were measured to be fastest as; undefined where they were not. */
  readonly wholeOf: (units: Iterable<Unit>) => WholeVerdict | undefined
  /** Share of the multiply-adds that must stay integer for a model of these layers to count as int8. */
  readonly floorOf: (layers: readonly PlacedLayer[]) => number
}
