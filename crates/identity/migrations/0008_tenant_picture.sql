-- Logos, by a hash of their content.
CREATE TABLE tenant_picture (
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (tenant_id, name)
) STRICT;
