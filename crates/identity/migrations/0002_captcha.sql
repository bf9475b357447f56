CREATE TABLE captcha_used (
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    nonce BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, nonce)
) STRICT;

CREATE INDEX captcha_used_expiry ON captcha_used (expires_at);
