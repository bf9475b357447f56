-- What was typed on the sign-up page, until its mailbox is proven.
CREATE TABLE sign_up (
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    digest BLOB NOT NULL,
    sealed BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, digest)
) STRICT;

CREATE INDEX sign_up_expiry ON sign_up (expires_at);
