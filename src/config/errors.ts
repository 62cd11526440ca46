import { defineErrors } from '../errors.js'

export const configErrors = defineErrors({
  ERR_CONFIG_READ: 'The configuration file cannot be read: check the path and its permissions.',
  ERR_CONFIG_YAML: 'The configuration file is not valid YAML: the message names line and column.',
  ERR_CONFIG_KEY: 'The configuration has a key that does not exist: use the suggested one, or see `quantd check-config`.',
  ERR_CONFIG_VALUE: 'A configuration value is out of its range or of the wrong kind: the message gives line, range and what was found.',
  ERR_CONFIG_VERSION: 'The configuration was written for a newer quantd: install that release, or lower `version` and the keys it brought.',
})
