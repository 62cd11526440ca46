import { defineErrors } from '../errors.js'

export const cliErrors = defineErrors({
  ERR_CLI_USAGE: 'The command line is wrong: `quantd help COMMAND` shows what it takes.',
  ERR_CLI_UNREACHABLE: 'No daemon was reached: start it with `quantd run`, or name its broker with --broker and its id with --gateway.',
  ERR_CLI_PERMISSION:
    'The control socket may not be used by this user: join its group (`sudo usermod -aG quantd $USER`, then log in again).',
  ERR_CLI_BROKER: 'The broker refused or could not be reached: check address, user name and password; `quantd doctor` tells more.',
  ERR_CLI_NO_ANSWER:
    'The gateway did not answer in time: check that it is online (`quantd doctor`) and that the ACL lets you read your replies.',
  ERR_CLI_REFUSED: 'The gateway refused: the message says why.',
  ERR_CLI_ANSWER: 'The gateway answered with something that this release does not understand: compare the versions of both.',
  ERR_CLI_BUNDLE: 'There is no bundle at this path: give a folder with model.json and an .onnx, a .tar of it, or a bare .onnx.',
  ERR_CLI_SETUP:
    'A tool that setup calls failed: its last lines are in the message. OpenVINO needs python3 with venv (Debian: apt-get install python3-venv) and a package index.',
  ERR_CLI_REPORT: 'There is no report at this path: give report.json of `quantd quantize` (of this release), or the folder that holds it.',
  ERR_CLI_INPUT: 'The input cannot be sent: it must be an image, .npy, .npz, .bin or .json file.',
})
