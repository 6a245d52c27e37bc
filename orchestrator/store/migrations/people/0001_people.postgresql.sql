-- What is kept of people beside the record. `folded` is the case-folded user name: unique for ever.

CREATE TABLE person (
    id text COLLATE "C" NOT NULL,
    user_name text COLLATE "C" NOT NULL,
    folded text COLLATE "C" NOT NULL,
    full_name text COLLATE "C" NOT NULL,
    CONSTRAINT person_key PRIMARY KEY (id),
    CONSTRAINT person_folded UNIQUE (folded)
);

CREATE TABLE credential (
    person text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    must_change bigint NOT NULL,
    CONSTRAINT credential_key PRIMARY KEY (person)
);

CREATE TABLE login (
    token text COLLATE "C" NOT NULL,
    person text COLLATE "C" NOT NULL,
    began_at text COLLATE "C" NOT NULL,
    used_at text COLLATE "C" NOT NULL,
    CONSTRAINT login_key PRIMARY KEY (token)
);

CREATE TABLE attempt (
    name text COLLATE "C" NOT NULL,
    failures bigint NOT NULL,
    last_at text COLLATE "C" NOT NULL,
    CONSTRAINT attempt_key PRIMARY KEY (name)
);

GRANT SELECT, INSERT ON person TO kweek_application;
GRANT SELECT, INSERT, UPDATE ON credential TO kweek_application;
GRANT SELECT, INSERT, UPDATE, DELETE ON login, attempt TO kweek_application;
GRANT SELECT ON person TO kweek_auditor;
