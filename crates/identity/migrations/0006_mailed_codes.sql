-- The page of ours that a mailed link leads to in the end.
ALTER TABLE one_time_token ADD COLUMN return_to TEXT;

CREATE TABLE mailed_code (
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    flow BLOB NOT NULL,
    kind TEXT NOT NULL,
    code BLOB NOT NULL,
    token BLOB NOT NULL,
    tries INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, flow)
) STRICT;

CREATE INDEX mailed_code_expiry ON mailed_code (expires_at);
