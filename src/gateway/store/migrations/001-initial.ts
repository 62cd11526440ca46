import { defineMigration } from './migration.js'

/**
 * Models with their versions, jobs, what the schedule last did, and counters. Lists and judgements are JSON: they are read whole, never searched.
 * `versions.version` counts up per model from 1, the float of the bundle.
 */
export const initial = defineMigration({
  number: 1,
  what: 'initial',
  up(database) {
    database.exec(`
      CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE models (
        name TEXT PRIMARY KEY,
        bundle TEXT NOT NULL,
        file TEXT NOT NULL,
        manifest TEXT NOT NULL,
        inputs TEXT NOT NULL,
        outputs TEXT NOT NULL,
        active TEXT,
        previous TEXT,
        pinned INTEGER NOT NULL DEFAULT 0,
        note TEXT NOT NULL DEFAULT ''
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE versions (
        model TEXT NOT NULL REFERENCES models (name) ON DELETE CASCADE,
        version INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('float', 'int8')),
        state TEXT NOT NULL CHECK (state IN ('candidate', 'active', 'previous', 'retired', 'refused')),
        device TEXT NOT NULL,
        engine TEXT NOT NULL,
        artifact TEXT NOT NULL,
        report TEXT,
        scheme TEXT,
        calibrated_at TEXT,
        samples INTEGER,
        judgement TEXT,
        judged_on TEXT,
        created_at TEXT NOT NULL,
        PRIMARY KEY (model, version)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        sequence INTEGER NOT NULL UNIQUE,
        model TEXT NOT NULL,
        state TEXT NOT NULL,
        record TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE schedule (entry TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT, WITHOUT ROWID;
    `)
  },
})
