import { cliErrors } from './cli/errors.js'
import { configErrors } from './config/errors.js'
import { demoErrors } from './demo/errors.js'
import { engineErrors } from './engines/errors.js'
import { type ErrorCode, generalErrors } from './errors.js'
import { calibrationErrors } from './gateway/calibration/errors.js'
import { commandErrors } from './gateway/commands/errors.js'
import { httpErrors } from './gateway/http/errors.js'
import { jobErrors } from './gateway/jobs/errors.js'
import { modelErrors } from './gateway/models/errors.js'
import { mqttErrors } from './gateway/mqtt/errors.js'
import { scheduleErrors } from './gateway/schedule/errors.js'
import { servingErrors } from './gateway/serving/errors.js'
import { storeErrors } from './gateway/store/errors.js'
import { journalErrors } from './gateway/store/journal-errors.js'
import { graphErrors } from './graph/errors.js'
import { irErrors } from './graph/ir/errors.js'
import { onnxErrors } from './graph/onnx/errors.js'
import { hardwareErrors } from './hardware/errors.js'
import { openvinoErrors } from './hardware/openvino/errors.js'
import { processErrors } from './process/errors.js'
import { costErrors } from './quantization/costs/errors.js'
import { quantizationErrors } from './quantization/errors.js'
import { sampleErrors } from './samples/errors.js'

/** Every area's table of codes. */
export const errorTables = [
  calibrationErrors,
  cliErrors,
  commandErrors,
  configErrors,
  costErrors,
  demoErrors,
  engineErrors,
  generalErrors,
  graphErrors,
  hardwareErrors,
  httpErrors,
  irErrors,
  jobErrors,
  journalErrors,
  modelErrors,
  mqttErrors,
  onnxErrors,
  openvinoErrors,
  processErrors,
  quantizationErrors,
  sampleErrors,
  scheduleErrors,
  servingErrors,
  storeErrors,
] as const

/** Code -> what it means and what to do. */
export const errorCatalog: Readonly<Record<ErrorCode, string>> = Object.freeze(Object.assign({}, ...errorTables))
