-- When a key begins to sign: at once where this is missing. Until then it is only published.
ALTER TABLE signing_key ADD COLUMN activates_at INTEGER;
-- Nothing that a revoked key signed counts. Its `retired_at` is 0, so that an older program holds it for long gone.
ALTER TABLE signing_key ADD COLUMN revoked_at INTEGER;
