import { createRequire } from 'node:module'
import type BetterSqlite from 'better-sqlite3'

const require = createRequire(import.meta.url)
const nodeMajor = Number(process.versions.node.split('.')[0])

/**
 * better-sqlite3 for the Node that runs. Up to 12 it derives from node::ObjectWrap, which since Node 24.19 ends the process when a statement is collected
 * ('Assertion failed: (env) != nullptr'); from 13 on it uses Node-API, which needs Node 22 and crashes on 20. Both have one interface.
 */
export const Sqlite = require(nodeMajor >= 22 ? 'better-sqlite3-napi' : 'better-sqlite3') as typeof BetterSqlite
