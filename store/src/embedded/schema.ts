import { STATE_CODES, type StateCode } from '@nakama/contract'

/** Raised with every change of the tables; a file with a higher number is refused. */
export const SCHEMA_VERSION = 1

/** "NAKA": marks the file as a store of ours. */
export const APPLICATION_ID = 0x4e41_4b41

export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/** How states stand in the file. Never renumber: add at the end. Also the order of columns in packed rollups, from 1. */
export const STATE_NUMBERS: { readonly [code in StateCode]: number } = {
  RUNNING: 1,
  PAUSED: 2,
  SETUP: 3,
  IDLE: 4,
  ALARM: 5,
  OFF: 6,
  OFFLINE: 7,
}

/** In the order of `STATE_NUMBERS`, which the packed rollups rely on being that of `STATE_CODES`. */
export const stateOf = (number: number): StateCode => STATE_CODES[number - 1] as StateCode

/**
 * Times are milliseconds, hours and days count from 1970 UTC.
 *
 * - `newest` holds the last interval of each machine, `state` all earlier ones: heartbeats only ever touch the small table,
 *   so that a second of the whole fleet dirties a few dozen pages, not one per machine.
 * - `rollup_day` is a machine's day of hour sums, `minutes` a machine's hour of minutes (rollup-codec.ts).
 * - Samples are appended to `sample_recent`, one row per transaction for all machines, and soon regrouped to one row per
 *   machine and hour in `sample_pack` (`loose`: an hour that may still consist of several). Both grow at their ends only, and a
 *   number of `sample_recent` is never used again, so that regrouping deletes what it has moved and nothing else.
 */
export const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
  CREATE TABLE machine (id INTEGER PRIMARY KEY, shop TEXT NOT NULL, machine TEXT NOT NULL, UNIQUE (shop, machine)) STRICT;
  CREATE TABLE kind (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE signal (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

  CREATE TABLE newest (
    machine INTEGER PRIMARY KEY, start INTEGER NOT NULL, stop INTEGER NOT NULL, code INTEGER NOT NULL,
    since INTEGER NOT NULL, provisional INTEGER NOT NULL, kind INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE state (
    machine INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL, code INTEGER NOT NULL,
    since INTEGER NOT NULL, provisional INTEGER NOT NULL, kind INTEGER NOT NULL,
    PRIMARY KEY (machine, start)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE rollup_day (
    day INTEGER NOT NULL, machine INTEGER NOT NULL, hours BLOB NOT NULL, PRIMARY KEY (day, machine)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE minutes (
    hour INTEGER NOT NULL, machine INTEGER NOT NULL, kind INTEGER NOT NULL, pack BLOB NOT NULL,
    PRIMARY KEY (hour, machine)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE sample_recent (seq INTEGER PRIMARY KEY AUTOINCREMENT, bundle BLOB NOT NULL) STRICT;
  CREATE TABLE sample_pack (
    seq INTEGER PRIMARY KEY, hour INTEGER NOT NULL, machine INTEGER NOT NULL, loose INTEGER NOT NULL, pack BLOB NOT NULL
  ) STRICT;
  CREATE INDEX sample_pack_hour ON sample_pack (hour, machine);
  CREATE INDEX sample_pack_loose ON sample_pack (hour, machine) WHERE loose = 1;

  CREATE TABLE count (
    machine INTEGER NOT NULL, at INTEGER NOT NULL, parts INTEGER NOT NULL, total INTEGER NOT NULL, PRIMARY KEY (machine, at)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE gap (
    shop TEXT NOT NULL, start INTEGER NOT NULL, agent TEXT NOT NULL, machine TEXT NOT NULL, what TEXT NOT NULL,
    why TEXT NOT NULL, stop INTEGER NOT NULL, PRIMARY KEY (shop, start, agent, machine, what, why)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE profile (
    machine INTEGER NOT NULL, at INTEGER NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (machine, at)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE taking (
    shop TEXT NOT NULL, at INTEGER NOT NULL, rev INTEGER NOT NULL, value INTEGER NOT NULL, until INTEGER,
    PRIMARY KEY (shop, at, rev)
  ) STRICT, WITHOUT ROWID;
`
