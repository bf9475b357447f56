-- The address block from which the password was set; null where an operator or an import did.
ALTER TABLE password ADD COLUMN client_block TEXT;
