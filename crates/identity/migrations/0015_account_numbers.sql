-- Only an operator's command looked accounts up by their number, and every sign-up wrote a page of it.
DROP INDEX account_number;
