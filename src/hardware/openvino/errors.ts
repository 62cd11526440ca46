import { defineErrors } from '../../errors.js'

export const openvinoErrors = defineErrors({
  ERR_OPENVINO: 'A call of OpenVINO failed: the message carries its own text.',
  ERR_OPENVINO_LOAD:
    'The file is no OpenVINO C library that can be loaded here, or one from before 2022.3: the message carries the loader’s own text.',
  ERR_OPENVINO_MISSING: 'OpenVINO is not on this host: `quantd setup openvino` puts it into the state directory, or set OPENVINO_DIR.',
})
