-- Who got a reset token into its own hands: `key:` or `account:` and the id; null where the owner's mailbox did.
ALTER TABLE one_time_token ADD COLUMN given_to TEXT;

CREATE INDEX one_time_token_given_to ON one_time_token (tenant_id, given_to) WHERE given_to IS NOT NULL;
