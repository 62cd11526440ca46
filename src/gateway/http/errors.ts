import { defineErrors } from '../../errors.js'

export const httpErrors = defineErrors({
  ERR_HTTP_LISTEN: 'The address of /metrics and /health cannot be used: choose another in http.listen, or "off".',
  ERR_HTTP_SOCKET:
    'The control socket cannot be made: check that runtime_dir or state_dir can be written and that its path is below 100 characters.',
  ERR_REQUEST_VERB: 'There is no such command: `quantd --help` lists them.',
  ERR_REQUEST_BODY: 'The body of a command is not what its schema wants: the message names the field.',
  ERR_REQUEST_JOB: 'There is no job of that id: `quantd jobs` lists them.',
})
