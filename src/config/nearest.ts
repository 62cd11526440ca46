import { distance } from 'fastest-levenshtein'

/** The known name that `name` was most likely meant to be: at most a third of its letters (at least 2) differ. Ties go to the first in order. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const limit = Math.max(2, Math.floor(name.length / 3))
  const ranked = known.map(candidate => ({ candidate, edits: distance(name.toLowerCase(), candidate.toLowerCase()) }))
  const best = ranked.sort((a, b) => a.edits - b.edits || a.candidate.localeCompare(b.candidate))[0]
  return best !== undefined && best.edits <= limit && best.edits < best.candidate.length ? best.candidate : undefined
}
