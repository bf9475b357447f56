CREATE TABLE catalog (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    next_tenant_number INTEGER NOT NULL,
    key_check BLOB
) STRICT;

INSERT INTO catalog (id, version, next_tenant_number) VALUES (1, 1, 101);

CREATE TABLE tenant (
    id TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    slug TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    next_account_number INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE tenant_domain (
    domain TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE
) STRICT;

CREATE INDEX tenant_domain_tenant ON tenant_domain (tenant_id);

CREATE TABLE account (
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    email TEXT NOT NULL,
    email_canonical TEXT NOT NULL,
    email_verified_at INTEGER,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    mobile TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    role TEXT NOT NULL,
    locale TEXT NOT NULL,
    timezone TEXT NOT NULL,
    state TEXT NOT NULL,
    onboarded_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;

CREATE UNIQUE INDEX account_number ON account (tenant_id, number);
CREATE UNIQUE INDEX account_email ON account (email_canonical, tenant_id);

CREATE TABLE password (
    tenant_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    phc TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, account_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE partner_secret (
    tenant_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    phc TEXT NOT NULL,
    bound_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, account_id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE provider_link (
    tenant_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    subject TEXT NOT NULL,
    account_id TEXT NOT NULL,
    linked_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, provider, subject),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX provider_link_account ON provider_link (tenant_id, account_id);

CREATE TABLE session (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    dialect TEXT NOT NULL,
    generation INTEGER NOT NULL,
    replaced_at TEXT NOT NULL,
    client_address TEXT,
    user_agent TEXT,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    end_reason TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX session_account ON session (tenant_id, account_id);

CREATE TABLE one_time_token (
    tenant_id TEXT NOT NULL,
    digest BLOB NOT NULL,
    kind TEXT NOT NULL,
    account_id TEXT NOT NULL,
    session_id TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (tenant_id, digest),
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX one_time_token_account ON one_time_token (tenant_id, account_id, kind, created_at);

CREATE TABLE login_token_use (
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    digest BLOB NOT NULL,
    session_id TEXT NOT NULL,
    used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, digest)
) STRICT;

CREATE TABLE team (
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    default_of TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;

CREATE UNIQUE INDEX team_default ON team (tenant_id, default_of);

CREATE TABLE team_member (
    tenant_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    role TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, account_id, team_id),
    FOREIGN KEY (tenant_id, team_id) REFERENCES team (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, account_id) REFERENCES account (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE project (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, team_id) REFERENCES team (tenant_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX project_team ON project (tenant_id, team_id, created_at);

CREATE TABLE api_key (
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    test INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (tenant_id, id)
) STRICT;

CREATE UNIQUE INDEX api_key_id ON api_key (id);

CREATE TABLE signing_key (
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    kid TEXT NOT NULL,
    purpose TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    private_sealed BLOB NOT NULL,
    public_jwk TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER,
    PRIMARY KEY (tenant_id, kid)
) STRICT;

CREATE UNIQUE INDEX signing_key_current ON signing_key (tenant_id, purpose, algorithm) WHERE retired_at IS NULL;

CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    payload_sealed BLOB NOT NULL,
    message_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    state TEXT NOT NULL,
    last_error TEXT
) STRICT;

CREATE INDEX outbox_due ON outbox (state, next_attempt_at);

CREATE TABLE audit (
    tenant_id TEXT NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    id TEXT NOT NULL,
    event TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    account_id TEXT,
    actor TEXT NOT NULL,
    surface TEXT NOT NULL,
    client_address TEXT,
    user_agent TEXT,
    request_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, at, id)
) STRICT;
