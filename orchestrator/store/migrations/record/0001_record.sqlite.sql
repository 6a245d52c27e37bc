-- The record on SQLite. Tables are STRICT and have no row ids: INSERT OR REPLACE can then reach a row only
-- by its key, which the triggers below guard even where recursive_triggers was forgotten.

CREATE TABLE entry (
    stream TEXT NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    leaf BLOB NOT NULL,
    leaf_hash TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    CONSTRAINT entry_key PRIMARY KEY (stream, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE body (
    stream TEXT NOT NULL,
    number INTEGER NOT NULL,
    salt TEXT,
    body BLOB,
    CONSTRAINT body_key PRIMARY KEY (stream, number),
    CONSTRAINT body_of FOREIGN KEY (stream, number) REFERENCES entry (stream, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE head (
    stream TEXT NOT NULL,
    number INTEGER NOT NULL,
    leaf_hash TEXT NOT NULL,
    CONSTRAINT head_key PRIMARY KEY (stream)
) STRICT, WITHOUT ROWID;

CREATE TABLE lease (
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    expires TEXT,
    CONSTRAINT lease_key PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;

CREATE TABLE reply (
    scope TEXT NOT NULL,
    "key" TEXT NOT NULL,
    request_digest TEXT NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    CONSTRAINT reply_key PRIMARY KEY (scope, "key")
) STRICT, WITHOUT ROWID;

-- An entry is inserted with the next number of its stream and never touched again.

CREATE TRIGGER entry_next BEFORE INSERT ON entry
WHEN NEW.number IS NOT coalesce((SELECT max(number) FROM entry WHERE stream = NEW.stream), 0) + 1
BEGIN
    SELECT RAISE(ABORT, 'An entry takes the next number of its stream.');
END;

CREATE TRIGGER entry_first AFTER INSERT ON entry WHEN NEW.number = 1
BEGIN
    INSERT INTO head (stream, number, leaf_hash) VALUES (NEW.stream, NEW.number, NEW.leaf_hash);
END;

CREATE TRIGGER entry_after AFTER INSERT ON entry WHEN NEW.number > 1
BEGIN
    UPDATE head SET number = NEW.number, leaf_hash = NEW.leaf_hash WHERE stream = NEW.stream;
END;

CREATE TRIGGER entry_kept BEFORE UPDATE ON entry
BEGIN
    SELECT RAISE(ABORT, 'An entry is never changed.');
END;

CREATE TRIGGER entry_stays BEFORE DELETE ON entry
BEGIN
    SELECT RAISE(ABORT, 'An entry is never deleted.');
END;

-- A body is inserted once.

CREATE TRIGGER body_once BEFORE INSERT ON body
WHEN EXISTS (SELECT 1 FROM body WHERE stream = NEW.stream AND number = NEW.number)
BEGIN
    SELECT RAISE(ABORT, 'A body is written once.');
END;

CREATE TRIGGER body_kept BEFORE UPDATE ON body
BEGIN
    SELECT RAISE(ABORT, 'A body is never changed.');
END;

CREATE TRIGGER body_stays BEFORE DELETE ON body
BEGIN
    SELECT RAISE(ABORT, 'A body is never deleted.');
END;

-- A head moves forward by one, to an entry that is there.

CREATE TRIGGER head_first BEFORE INSERT ON head
WHEN NEW.number IS NOT 1
    OR EXISTS (SELECT 1 FROM head WHERE stream = NEW.stream)
    OR NOT EXISTS (SELECT 1 FROM entry WHERE stream = NEW.stream AND number = 1 AND leaf_hash = NEW.leaf_hash)
BEGIN
    SELECT RAISE(ABORT, 'A head begins at the first entry of its stream.');
END;

CREATE TRIGGER head_next BEFORE UPDATE ON head
WHEN NEW.stream IS NOT OLD.stream
    OR NEW.number IS NOT OLD.number + 1
    OR NOT EXISTS (
        SELECT 1 FROM entry WHERE stream = NEW.stream AND number = NEW.number AND leaf_hash = NEW.leaf_hash
    )
BEGIN
    SELECT RAISE(ABORT, 'A head moves to the next entry of its stream.');
END;

CREATE TRIGGER head_stays BEFORE DELETE ON head
BEGIN
    SELECT RAISE(ABORT, 'A head is never deleted.');
END;

-- An epoch only rises.

CREATE TRIGGER lease_once BEFORE INSERT ON lease
WHEN EXISTS (SELECT 1 FROM lease WHERE name = NEW.name)
BEGIN
    SELECT RAISE(ABORT, 'A lease is made once.');
END;

CREATE TRIGGER lease_forward BEFORE UPDATE ON lease
WHEN NEW.name IS NOT OLD.name OR NEW.epoch < OLD.epoch
BEGIN
    SELECT RAISE(ABORT, 'The epoch of a lease only rises.');
END;

CREATE TRIGGER lease_stays BEFORE DELETE ON lease
BEGIN
    SELECT RAISE(ABORT, 'A lease is never deleted.');
END;

-- A reply is written once.

CREATE TRIGGER reply_once BEFORE INSERT ON reply
WHEN EXISTS (SELECT 1 FROM reply WHERE scope = NEW.scope AND "key" = NEW."key")
BEGIN
    SELECT RAISE(ABORT, 'A reply is written once.');
END;

CREATE TRIGGER reply_kept BEFORE UPDATE ON reply
BEGIN
    SELECT RAISE(ABORT, 'A reply is never changed.');
END;

CREATE TRIGGER reply_stays BEFORE DELETE ON reply
BEGIN
    SELECT RAISE(ABORT, 'A reply is never deleted.');
END;

-- Projections: may be emptied and filled again from the entries.

CREATE TABLE projection (
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT projection_key PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_index (
    stream TEXT NOT NULL,
    number INTEGER NOT NULL,
    recorded_at TEXT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    batch TEXT,
    CONSTRAINT audit_index_key PRIMARY KEY (stream, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_index_time ON audit_index (recorded_at);
CREATE INDEX audit_index_actor ON audit_index (actor, recorded_at);
CREATE INDEX audit_index_batch ON audit_index (batch, recorded_at);

CREATE TABLE batch_now (
    batch TEXT NOT NULL,
    recipe TEXT NOT NULL,
    version INTEGER NOT NULL,
    product TEXT NOT NULL,
    state TEXT NOT NULL,
    phase TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    simulated INTEGER NOT NULL,
    CONSTRAINT batch_now_key PRIMARY KEY (batch)
) STRICT, WITHOUT ROWID;

CREATE TABLE open_task (
    batch TEXT NOT NULL,
    task TEXT NOT NULL,
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    people INTEGER NOT NULL,
    opened_at TEXT NOT NULL,
    number INTEGER NOT NULL,
    CONSTRAINT open_task_key PRIMARY KEY (batch, task)
) STRICT, WITHOUT ROWID;

CREATE TABLE lot_edge (
    parent TEXT NOT NULL,
    child TEXT NOT NULL,
    stream TEXT NOT NULL,
    number INTEGER NOT NULL,
    CONSTRAINT lot_edge_key PRIMARY KEY (parent, child, stream, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX lot_edge_child ON lot_edge (child);
