-- What is kept of people beside the record. `folded` is the case-folded user name: unique for ever.

CREATE TABLE person (
    id TEXT NOT NULL,
    user_name TEXT NOT NULL,
    folded TEXT NOT NULL,
    full_name TEXT NOT NULL,
    CONSTRAINT person_key PRIMARY KEY (id),
    CONSTRAINT person_folded UNIQUE (folded)
) STRICT, WITHOUT ROWID;

CREATE TABLE credential (
    person TEXT NOT NULL,
    hash TEXT NOT NULL,
    must_change INTEGER NOT NULL,
    CONSTRAINT credential_key PRIMARY KEY (person)
) STRICT, WITHOUT ROWID;

CREATE TABLE login (
    token TEXT NOT NULL,
    person TEXT NOT NULL,
    began_at TEXT NOT NULL,
    used_at TEXT NOT NULL,
    CONSTRAINT login_key PRIMARY KEY (token)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
    name TEXT NOT NULL,
    failures INTEGER NOT NULL,
    last_at TEXT NOT NULL,
    CONSTRAINT attempt_key PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;
