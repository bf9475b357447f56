//! What an expression's text is made of, as far as its checks look at it.

/// What of a request an expression may read.
const ROOTS: [&str; 4] = ["body", "query", "path", "header"];

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A source in tokens: words, quoted texts, single signs. Enough to find calls and fields.
pub(crate) fn tokens(source: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => quoted(rest, first),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, tail) = rest.split_at(length);
        tokens.push(token);
        rest = tail.trim_start();
    }
    tokens
}

/// Bytes of the quoted text that `rest` begins with.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if !escaped && c == quote {
            return at + 1;
        }
        escaped = !escaped && c == '\\';
    }
    rest.len()
}

fn unquoted(token: &str) -> Option<&str> {
    let inner = token.strip_prefix(['"', '\''])?;
    inner.strip_suffix(['"', '\''])
}

/// Whether the source is a field of the request, or several with `or` between them, and nothing of its own.
pub(crate) fn is_request_field(source: &str) -> bool {
    let field = |tokens: &[&str]| match tokens {
        [root, ".", name] => ROOTS.contains(root) && name.starts_with(is_word),
        [root, "[", name, "]"] => ROOTS.contains(root) && unquoted(name).is_some(),
        _ => false,
    };
    tokens(source).split(|token| *token == "or").all(field)
}

/// Root and name of every field of the request in the source, by field or by subscript.
pub(crate) fn request_fields(source: &str) -> Vec<(String, String)> {
    let tokens = tokens(source);
    // `body.header.x` is a field of the body.
    let root = |at: usize| at.checked_sub(1).and_then(|before| tokens.get(before)) != Some(&".");
    let field = |window: &[&str]| {
        let name = match window[1] {
            "." => Some(window[2]),
            "[" => unquoted(window[2]),
            _ => None,
        };
        ROOTS.contains(&window[0]).then_some(())?;
        name.map(|name| (window[0].to_owned(), name.to_owned()))
    };
    let windows = tokens.windows(3).enumerate();
    windows
        .filter(|(at, _)| root(*at))
        .filter_map(|(_, window)| field(window))
        .collect()
}
