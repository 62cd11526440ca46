/** Places named in one note; the others are counted. */
const named = 3

/** What the import had to do otherwise than the file says: places gathered by what happened to them. */
export class Notes {
  readonly #places = new Map<string, string[]>()

  /** @param what a clause that follows the places: 'one range for all channels, ...' */
  add(what: string, place: string): void {
    const places = this.#places.get(what)
    if (places === undefined) this.#places.set(what, [place])
    else if (!places.includes(place)) places.push(place)
  }

  /** One sentence for each thing that happened, in the order in which it first did. */
  list(): readonly string[] {
    return [...this.#places].map(([what, places]) => {
      const rest = places.length > named ? ` and ${places.length - named} more` : ''
      return `${places
        .slice(0, named)
        .map(place => `'${place}'`)
        .join(', ')}${rest}: ${what}`
    })
  }
}
