-- Entries from before the chain carry no MAC, and nothing in a database can tell a true one from one put in later: they are
-- kept here and never taken into the chain.
ALTER TABLE audit RENAME TO audit_before;

CREATE TABLE audit (
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    event TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    account_id TEXT,
    actor TEXT NOT NULL,
    actor_id TEXT,
    target TEXT,
    surface TEXT NOT NULL,
    client_address TEXT,
    user_agent TEXT,
    request_id TEXT NOT NULL,
    times INTEGER NOT NULL,
    seq INTEGER,
    hash BLOB,
    mac BLOB NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;

CREATE UNIQUE INDEX audit_seq ON audit (tenant_id, seq);
CREATE INDEX audit_unsealed ON audit (tenant_id, at, turn) WHERE seq IS NULL;

CREATE TABLE audit_chain (
    tenant_id TEXT NOT NULL PRIMARY KEY REFERENCES tenant (id) ON DELETE CASCADE,
    first_seq INTEGER NOT NULL,
    first_hash BLOB NOT NULL,
    last_seq INTEGER NOT NULL,
    last_hash BLOB NOT NULL,
    mac BLOB NOT NULL
) STRICT;
