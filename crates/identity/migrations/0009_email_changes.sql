CREATE TABLE email_change (
    tenant_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    email TEXT NOT NULL,
    session_id TEXT NOT NULL,
    old_confirmed_at INTEGER,
    new_confirmed_at INTEGER,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, account_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id) ON DELETE CASCADE
) STRICT;

-- A person's own sign-ins, newest first.
CREATE INDEX audit_account ON audit (tenant_id, account_id, at) WHERE account_id IS NOT NULL;
