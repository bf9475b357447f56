CREATE TABLE limit_window (
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    digest BLOB NOT NULL,
    opened_at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, digest)
) STRICT;

-- Where an account signed in from: an IPv4 address or the /64 of an IPv6 one.
ALTER TABLE session ADD COLUMN client_block TEXT;

DROP INDEX session_account;

CREATE INDEX session_account ON session (tenant_id, account_id, client_block);
