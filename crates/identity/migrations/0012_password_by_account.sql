-- SQLite only.
-- Rows in the order of their key, without a second index beside them: 60 bytes less an account.
CREATE TABLE password_by_account (
    tenant_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    phc TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    client_block TEXT,
    PRIMARY KEY (tenant_id, account_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO password_by_account (tenant_id, account_id, phc, changed_at, client_block)
    SELECT tenant_id, account_id, phc, changed_at, client_block FROM password ORDER BY tenant_id, account_id;
DROP TABLE password;
ALTER TABLE password_by_account RENAME TO password;
