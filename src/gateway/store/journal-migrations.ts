import { defineMigration } from './migrations/migration.js'

/**
 * Rows are appended and deleted by `entry`, which only grows, and nothing else is indexed: a commit touches the last page of a table and the pages of the
 * bodies, and no more. Keys are unique because the one writer's client has them all in memory (`journal-keys.ts`). `delivered` is apart from `reply` so
 * that marking a reply does not rewrite its body. Bodies come last in their row: what stands before them is read without them.
 */
const initial = defineMigration({
  number: 1,
  what: 'inbox, outbox and dedup of QoS 1',
  up(database) {
    database.exec(`
      CREATE TABLE request (
        entry INTEGER PRIMARY KEY,
        accepted_wall INTEGER NOT NULL,
        expires_in_ms REAL,
        reply_topic TEXT NOT NULL,
        correlation BLOB NOT NULL,
        form TEXT NOT NULL,
        model TEXT NOT NULL,
        version TEXT,
        caller TEXT NOT NULL,
        id TEXT,
        priority INTEGER NOT NULL,
        content_type TEXT NOT NULL,
        json_length INTEGER,
        body BLOB NOT NULL
      ) STRICT;
      CREATE TABLE reply (
        entry INTEGER PRIMARY KEY,
        answered_wall INTEGER NOT NULL,
        keep_until INTEGER NOT NULL,
        expires_in_ms REAL,
        reply_topic TEXT NOT NULL,
        correlation BLOB NOT NULL,
        form TEXT NOT NULL,
        content_type TEXT NOT NULL,
        properties TEXT NOT NULL,
        body BLOB NOT NULL
      ) STRICT;
      CREATE TABLE delivered (entry INTEGER PRIMARY KEY) STRICT;
    `)
  },
})

/** The steps of journal.db, in order. */
export const journalMigrations = [initial] as const
