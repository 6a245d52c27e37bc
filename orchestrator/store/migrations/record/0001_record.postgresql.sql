-- The record on PostgreSQL, schema kweek, owned by kweek_owner (no login). The application may read and
-- insert; numbers, heads and the lease are moved by functions that run with the owner's rights.
-- Triggers are ENABLE ALWAYS: session_replication_role does not switch them off.

CREATE TABLE entry (
    stream text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    leaf bytea NOT NULL,
    leaf_hash text COLLATE "C" NOT NULL,
    recorded_at text COLLATE "C" NOT NULL,
    CONSTRAINT entry_key PRIMARY KEY (stream, number)
);

CREATE TABLE body (
    stream text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    salt text COLLATE "C",
    body bytea,
    CONSTRAINT body_key PRIMARY KEY (stream, number),
    CONSTRAINT body_of FOREIGN KEY (stream, number) REFERENCES entry (stream, number)
);

CREATE TABLE head (
    stream text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    leaf_hash text COLLATE "C" NOT NULL,
    CONSTRAINT head_key PRIMARY KEY (stream)
);

CREATE TABLE lease (
    name text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    expires timestamptz,
    CONSTRAINT lease_key PRIMARY KEY (name)
);

CREATE TABLE reply (
    scope text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    request_digest text COLLATE "C" NOT NULL,
    status bigint NOT NULL,
    body bytea NOT NULL,
    CONSTRAINT reply_key PRIMARY KEY (scope, key)
);

-- An entry is inserted with the next number of its stream, and moves the head.

CREATE FUNCTION entry_next() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = kweek, pg_temp AS $$
BEGIN
    UPDATE head SET number = NEW.number, leaf_hash = NEW.leaf_hash
        WHERE stream = NEW.stream AND number = NEW.number - 1;
    IF FOUND THEN
        RETURN NEW;
    END IF;
    IF NEW.number <> 1 OR EXISTS (SELECT 1 FROM head WHERE stream = NEW.stream) THEN
        RAISE EXCEPTION 'An entry takes the next number of its stream.' USING ERRCODE = 'KW002';
    END IF;
    INSERT INTO head (stream, number, leaf_hash) VALUES (NEW.stream, 1, NEW.leaf_hash);
    RETURN NEW;
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: the record is append-only.', TG_OP, TG_TABLE_NAME USING ERRCODE = 'KW003';
END $$;

CREATE FUNCTION head_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.number = 1 THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.stream = OLD.stream AND NEW.number = OLD.number + 1 THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'A head moves forward by one.' USING ERRCODE = 'KW002';
END $$;

CREATE FUNCTION lease_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.name <> OLD.name OR NEW.epoch < OLD.epoch THEN
        RAISE EXCEPTION 'The epoch of a lease only rises.' USING ERRCODE = 'KW002';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER entry_next BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION entry_next();
CREATE TRIGGER entry_kept BEFORE UPDATE OR DELETE ON entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entry_stays BEFORE TRUNCATE ON entry FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER body_kept BEFORE UPDATE OR DELETE ON body FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER body_stays BEFORE TRUNCATE ON body FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER reply_kept BEFORE UPDATE OR DELETE ON reply FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER reply_stays BEFORE TRUNCATE ON reply FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER head_next BEFORE INSERT OR UPDATE ON head FOR EACH ROW EXECUTE FUNCTION head_next();
CREATE TRIGGER head_kept BEFORE DELETE ON head FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER head_stays BEFORE TRUNCATE ON head FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER lease_forward BEFORE UPDATE ON lease FOR EACH ROW EXECUTE FUNCTION lease_forward();
CREATE TRIGGER lease_kept BEFORE DELETE ON lease FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER lease_stays BEFORE TRUNCATE ON lease FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE entry ENABLE ALWAYS TRIGGER entry_next;
ALTER TABLE entry ENABLE ALWAYS TRIGGER entry_kept;
ALTER TABLE entry ENABLE ALWAYS TRIGGER entry_stays;
ALTER TABLE body ENABLE ALWAYS TRIGGER body_kept;
ALTER TABLE body ENABLE ALWAYS TRIGGER body_stays;
ALTER TABLE reply ENABLE ALWAYS TRIGGER reply_kept;
ALTER TABLE reply ENABLE ALWAYS TRIGGER reply_stays;
ALTER TABLE head ENABLE ALWAYS TRIGGER head_next;
ALTER TABLE head ENABLE ALWAYS TRIGGER head_kept;
ALTER TABLE head ENABLE ALWAYS TRIGGER head_stays;
ALTER TABLE lease ENABLE ALWAYS TRIGGER lease_forward;
ALTER TABLE lease ENABLE ALWAYS TRIGGER lease_kept;
ALTER TABLE lease ENABLE ALWAYS TRIGGER lease_stays;

-- The lease. clock_timestamp(), since now() is the start of the transaction.

CREATE FUNCTION take_lease(lease_name text, new_owner text, seconds double precision) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = kweek, pg_temp AS $$
    INSERT INTO lease (name, owner, epoch, expires)
        VALUES (lease_name, new_owner, 1, clock_timestamp() + make_interval(secs => seconds))
    ON CONFLICT (name) DO UPDATE
        SET owner = excluded.owner, epoch = lease.epoch + 1,
            expires = clock_timestamp() + make_interval(secs => seconds)
        WHERE lease.expires < clock_timestamp()
    RETURNING epoch;
$$;

CREATE FUNCTION renew_lease(lease_name text, held bigint, seconds double precision) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = kweek, pg_temp AS $$
BEGIN
    UPDATE lease SET expires = clock_timestamp() + make_interval(secs => seconds)
        WHERE name = lease_name AND epoch = held;
    RETURN FOUND;
END $$;

CREATE FUNCTION release_lease(lease_name text, held bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = kweek, pg_temp AS $$
BEGIN
    UPDATE lease SET expires = clock_timestamp() WHERE name = lease_name AND epoch = held;
    RETURN FOUND;
END $$;

CREATE FUNCTION hold(lease_name text, held bigint, streams text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = kweek, pg_temp AS $$
BEGIN
    PERFORM 1 FROM lease WHERE name = lease_name AND epoch = held FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'The lease % of epoch % is lost.', lease_name, held USING ERRCODE = 'KW001';
    END IF;
    PERFORM 1 FROM head WHERE stream = ANY (streams) ORDER BY stream FOR UPDATE;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA kweek FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_lease, renew_lease, release_lease, hold TO kweek_application;
GRANT SELECT, INSERT ON entry, body, reply TO kweek_application;
GRANT SELECT ON head, lease TO kweek_application;
GRANT SELECT ON entry, body, reply, head, lease TO kweek_auditor;

-- Projections: may be emptied and filled again from the entries.

CREATE TABLE projection (
    name text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT projection_key PRIMARY KEY (name)
);

CREATE TABLE audit_index (
    stream text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    recorded_at text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    batch text COLLATE "C",
    CONSTRAINT audit_index_key PRIMARY KEY (stream, number)
);
CREATE INDEX audit_index_time ON audit_index (recorded_at);
CREATE INDEX audit_index_actor ON audit_index (actor, recorded_at);
CREATE INDEX audit_index_batch ON audit_index (batch, recorded_at);

CREATE TABLE batch_now (
    batch text COLLATE "C" NOT NULL,
    recipe text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    product text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    phase text COLLATE "C" NOT NULL,
    updated_at text COLLATE "C" NOT NULL,
    simulated bigint NOT NULL,
    CONSTRAINT batch_now_key PRIMARY KEY (batch)
);

CREATE TABLE open_task (
    batch text COLLATE "C" NOT NULL,
    task text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    path text COLLATE "C" NOT NULL,
    role text COLLATE "C" NOT NULL,
    text text COLLATE "C" NOT NULL,
    people bigint NOT NULL,
    opened_at text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    CONSTRAINT open_task_key PRIMARY KEY (batch, task)
);

CREATE TABLE lot_edge (
    parent text COLLATE "C" NOT NULL,
    child text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    CONSTRAINT lot_edge_key PRIMARY KEY (parent, child, stream, number)
);
CREATE INDEX lot_edge_child ON lot_edge (child);

GRANT SELECT, INSERT, UPDATE, DELETE ON projection, audit_index, batch_now, open_task, lot_edge TO kweek_application;
GRANT SELECT ON projection, audit_index, batch_now, open_task, lot_edge TO kweek_auditor;
