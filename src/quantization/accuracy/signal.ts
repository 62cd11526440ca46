import type { Tensor } from '../../graph/tensor/tensor.js'

/** Lowest signal-to-noise ratio at which an output without better metric counts as kept, and lowest mean cosine. */
export const signalLimits = { snrDb: 15, cosine: 0.99 } as const

/** Ratio given where there is no noise at all. */
const noNoiseDb = 300

/** Energy of float outputs and of what int8 differs by, gathered item by item. */
export class Signal {
  #signal = 0
  #noise = 0
  #cosines = 0
  #items = 0

  add(float: Tensor, int8: Tensor): void {
    let signal = 0
    let noise = 0
    let dot = 0
    let other = 0
    for (let i = 0; i < float.data.length; i += 1) {
      const wanted = Number(float.data[i])
      const found = Number(int8.data[i])
      signal += wanted * wanted
      noise += (wanted - found) ** 2
      dot += wanted * found
      other += found * found
    }
    this.#signal += signal
    this.#noise += noise
    this.#cosines += signal === 0 && other === 0 ? 1 : dot / Math.max(Math.sqrt(signal * other), Number.MIN_VALUE)
    this.#items += 1
  }

  /** 10 log10 of the energy of float over that of the difference, all items together. */
  get snrDb(): number {
    if (this.#noise === 0) return noNoiseDb
    return this.#signal === 0 ? -noNoiseDb : Math.min(noNoiseDb, 10 * Math.log10(this.#signal / this.#noise))
  }

  /** Mean over the items of the cosine between the two outputs. */
  get cosine(): number {
    return this.#items === 0 ? 1 : this.#cosines / this.#items
  }
}
