import { join } from 'node:path'

/** Private Python environment that `quantd setup openvino` makes, within the state directory. */
export const openvinoFolder = (stateFolder: string): string => join(stateFolder, 'openvino')
