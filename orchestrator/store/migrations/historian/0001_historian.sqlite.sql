-- Readings, one row per measurement. `value` is the text of a decimal, `measure` its unit of measure.

CREATE TABLE reading (
    unit TEXT NOT NULL,
    tag TEXT NOT NULL,
    measured_at TEXT NOT NULL,
    source TEXT NOT NULL,
    value TEXT NOT NULL,
    measure TEXT NOT NULL,
    quality TEXT NOT NULL CHECK (quality IN ('good', 'uncertain', 'stale', 'bad')),
    received_at TEXT NOT NULL,
    CONSTRAINT reading_key PRIMARY KEY (unit, tag, measured_at, source)
) STRICT, WITHOUT ROWID;
