import { defineErrors } from '../../errors.js'

export const openvinoErrors = defineErrors({
  ERR_OPENVINO: 'A call of OpenVINO failed: the message carries its own text.',
  ERR_OPENVINO_LOAD: 'The file is no OpenVINO C library that can be loaded here: the message carries the loader’s own text.',
  ERR_OPENVINO_MISSING: 'OpenVINO is not on this host: `quantd setup openvino` puts it into the state directory, or set OPENVINO_DIR.',
  ERR_OPENVINO_VERSION:
    'This OpenVINO is older than 2022.3, whose C API is the first that quantd calls: `quantd setup openvino` puts a newer one beside it.',
})
