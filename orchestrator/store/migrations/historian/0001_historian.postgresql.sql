-- Readings, one row per measurement. `value` is the text of a decimal, `measure` its unit of measure.

CREATE TABLE reading (
    unit text COLLATE "C" NOT NULL,
    tag text COLLATE "C" NOT NULL,
    measured_at text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    measure text COLLATE "C" NOT NULL,
    quality text COLLATE "C" NOT NULL CHECK (quality IN ('good', 'uncertain', 'stale', 'bad')),
    received_at text COLLATE "C" NOT NULL,
    CONSTRAINT reading_key PRIMARY KEY (unit, tag, measured_at, source)
);

GRANT SELECT, INSERT ON reading TO kweek_application;
GRANT SELECT ON reading TO kweek_auditor;
