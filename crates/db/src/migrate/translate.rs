//! From SQLite's STRICT dialect to PostgreSQL's.

/// Replaces the types and drops `STRICT`, outside of quotes and comments. Text gets the collation that compares bytes,
/// as SQLite does.
pub(super) fn translate(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + sql.len() / 8);
    let mut rest = sql;
    let mut before = "";
    while !rest.is_empty() {
        let (token, tail) = rest.split_at(token_length(rest));
        match token {
            "INTEGER" => out.push_str("BIGINT"),
            "BLOB" => out.push_str("BYTEA"),
            // A type in CAST (… AS TEXT) takes no collation.
            "TEXT" if before != "AS" => out.push_str("TEXT COLLATE \"C\""),
            "STRICT" if before == ")" && tail.trim_start().starts_with(';') => {
                out.truncate(out.trim_end().len());
            }
            other => out.push_str(other),
        }
        if !token.trim().is_empty() {
            before = token;
        }
        rest = tail;
    }
    out
}

/// The length of the word, the quoted text, the comment or the single character at the start.
fn token_length(sql: &str) -> usize {
    let until = |end: &str, from: usize| {
        sql[from..]
            .find(end)
            .map_or(sql.len(), |at| from + at + end.len())
    };
    match sql.as_bytes().first() {
        Some(b'\'') => until("'", 1),
        Some(b'"') => until("\"", 1),
        Some(b'-') if sql.starts_with("--") => until("\n", 2),
        Some(b'/') if sql.starts_with("/*") => until("*/", 2),
        _ => match sql.find(|c: char| !c.is_alphanumeric() && c != '_') {
            Some(0) => sql.chars().next().map_or(0, char::len_utf8),
            Some(end) => end,
            None => sql.len(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn types_are_replaced_and_strict_is_dropped() {
        let sqlite =
            "CREATE TABLE t (\n  id INTEGER NOT NULL,\n  k BLOB,\n  n TEXT NOT NULL\n) STRICT;\n";
        assert_eq!(
            translate(sqlite),
            "CREATE TABLE t (\n  id BIGINT NOT NULL,\n  k BYTEA,\n  n TEXT COLLATE \"C\" NOT NULL\n);\n"
        );
    }

    #[test]
    fn only_whole_words_outside_quotes_and_comments() {
        for same in [
            "SELECT 'TEXT, it''s a BLOB', \"INTEGER\" FROM CONTEXT, TEXT_1; -- TEXT\n",
            "/* INTEGER */ SELECT STRICT FROM t;",
            "SELECT 'Größe', 'unclosed BLOB",
        ] {
            assert_eq!(translate(same), same);
        }
        assert_eq!(
            translate("CAST(a AS TEXT), CAST(b AS INTEGER)"),
            "CAST(a AS TEXT), CAST(b AS BIGINT)"
        );
    }
}
