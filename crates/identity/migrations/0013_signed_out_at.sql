-- When all sessions of the account were ended last; login tokens from before open none.
ALTER TABLE account ADD COLUMN signed_out_at INTEGER;
