import { errorCatalog } from '../../error-catalog.js'

/** What to do about a code: the sentence of its area's table. */
export const advice = (code: string): string | undefined =>
  Object.hasOwn(errorCatalog, code) ? errorCatalog[code as keyof typeof errorCatalog] : undefined
