import { configErrors } from '../../config/errors.js'
import { generalErrors } from '../../errors.js'
import { httpErrors } from '../../gateway/http/errors.js'
import { storeErrors } from '../../gateway/store/errors.js'
import { hardwareErrors } from '../../hardware/errors.js'
import { cliErrors } from '../errors.js'

const tables: Readonly<Record<string, string>> = {
  ...generalErrors,
  ...configErrors,
  ...hardwareErrors,
  ...storeErrors,
  ...httpErrors,
  ...cliErrors,
}

/** What to do about a code: the sentence of its area's table. */
export const advice = (code: string): string | undefined => (Object.hasOwn(tables, code) ? tables[code] : undefined)
