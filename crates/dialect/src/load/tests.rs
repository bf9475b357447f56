//! Broken files: each fault is told with its line, and all of them at once.

mod faults;

use vestibule_identity::{Error, Kind};

use super::{LONGEST_FILE, parse};
use crate::filters::FILTERS;
use crate::operation::OPERATIONS;
use crate::status::natural_status;
use faults::{FAULTS, GOOD, HIDES};

fn problems(from: &str, to: &str) -> Vec<String> {
    assert!(from.is_empty() || GOOD.contains(from), "{from}");
    let text = if from.is_empty() {
        to.to_owned()
    } else {
        GOOD.replacen(from, to, 1)
    };
    let found = parse("f", &text).err().unwrap_or_default();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_has_a_length() {
    let filled = |more: usize| {
        format!(
            "{GOOD}\n#{}",
            "#".repeat(LONGEST_FILE - GOOD.len() - 2 + more)
        )
    };
    assert!(parse("f", &filled(0)).is_ok());
    let problems = parse("f", &filled(1)).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["f:1: a dialect's file has 64 KiB at most"]);
}

/// What a request can cost is bounded by the file: its inputs, its reply and its tokens together, and an error's body.
#[test]
fn a_route_has_so_much_work_and_no_more() {
    let told = |text: &str| -> Vec<String> {
        let problems = parse("f", text).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect()
    };
    // The other input, the reply and the claim have 19.
    let of_signs = |count: usize| {
        let claim = "\"60m\"\nclaims = { c = \"{{ user.id }}\" }";
        let text = GOOD.replace("\"60m\"", claim);
        told(&text.replace("{{ body.password }}", &"{{ body.p }}".repeat(count)))
    };
    assert_eq!(of_signs(93), Vec::<String>::new());
    assert_eq!(
        of_signs(94),
        [
            "f:3: the expressions of a route, its reply and the tokens in it have 300 words and signs at most, not 301"
        ]
    );
    let of_error = |count: usize| {
        let why = "{{ error.message }}";
        told(&GOOD.replace(why, &why.repeat(count)))
    };
    assert_eq!(of_error(99), Vec::<String>::new());
    assert_eq!(
        of_error(100),
        ["f:28: the body of an error has 300 words and signs in its expressions at most, not 303"]
    );
    let of_tokens = |count: usize| {
        let named = |at| format!("t{at} = \"{{{{ token.t{at} }}}}\", ");
        let token = |at| format!("[token.t{at}]\nkind = \"refresh\"\n");
        let names: String = (1..count).map(named).collect();
        let tokens: String = (1..count).map(token).collect();
        let text = GOOD.replace("pass = ", &format!("{names}pass = "));
        told(&text.replace("[reply.in]", &format!("{tokens}[reply.in]")))
    };
    assert_eq!(of_tokens(8), Vec::<String>::new());
    assert_eq!(of_tokens(9), ["f:39: a reply has 8 tokens at most"]);
}

#[test]
fn a_good_file_loads() {
    let dialect = parse("f", GOOD).unwrap();
    assert_eq!((dialect.name(), dialect.title()), ("sample", "Sample"));
}

#[test]
fn each_fault_is_told_with_its_line() {
    let whole = [
        ("", "name = \"x\"", "f:1: there is no `[[route]]`"),
        ("", "name = \"x\"", "f:1: there is no `[error]`"),
    ];
    for (from, to, expected) in FAULTS.iter().chain(&whole) {
        let found = problems(from, to);
        assert!(
            found.iter().any(|problem| problem.contains(expected)),
            "{from} -> {to}\nexpected {expected}\nfound {found:#?}"
        );
    }
}

/// Neither a default without a status nor one with it makes a caller's mistake of anything but a natural 400.
#[test]
fn statuses_are_natural_where_no_line_gives_one() {
    for default in ["code = 1", "status = 422, code = 1"] {
        let text = GOOD
            .replace(
                "default = { code = 1 }",
                &format!("default = {{ {default} }}"),
            )
            .replace(
                "[error.kinds]\n",
                "[error.kinds]\nmissing_email = { code = 3 }\nmissing_uid = { status = 409 }\n",
            );
        let dialect = parse("f", &text).unwrap();
        for kind in Kind::ALL {
            let expected = match (kind, natural_status(*kind).as_u16()) {
                (Kind::MissingUid, _) => 409,
                (_, 400) if default.starts_with("status") => 422,
                (_, natural) => natural,
            };
            let (status, body) = dialect.errors.render(&[Error::new(*kind)]);
            assert_eq!(status.as_u16(), expected, "{kind:?}");
            assert!(body.starts_with(b"{\"no\":"), "{kind:?}");
        }
    }
    // With nothing but a body, every kind has its status and words.
    let bare = GOOD
        .replace("default = { code = 1 }\n", "")
        .replace("no = \"{{ error.code }}\", ", "");
    let dialect = parse("f", &bare).unwrap();
    let (status, body) = dialect.errors.render(&[Error::new(Kind::MethodNotAllowed)]);
    assert_eq!(status.as_u16(), 405);
    assert_eq!(body, br#"{"why":"This method is not allowed here."}"#);
}

#[test]
fn a_field_that_one_kind_lacks_is_told_at_that_kind() {
    let text = GOOD.replace("default = { code = 1 }", "default = {}");
    let text = text.replace("[error.kinds]\n", "[error.kinds]\nmissing_email = {}\n");
    let found: Vec<String> = parse("f", &text)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        found
            .iter()
            .any(|problem| problem.starts_with("f:31: `missing_email` has no `code`")),
        "{found:#?}"
    );
}

#[test]
fn no_fault_hides_another() {
    let without_numbers = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
    let hides = |one: &str, other: &str| {
        let hidden = |(hider, hidden): &(&str, &[&str])| {
            one.contains(hider) && hidden.iter().any(|part| other.contains(part))
        };
        HIDES.iter().any(hidden)
    };
    // What is no TOML has no other fault.
    let faults: Vec<_> = FAULTS.iter().filter(|fault| fault.2 != "f:2: ").collect();
    let mut pairs = 0;
    for (index, (from, to, first)) in faults.iter().enumerate() {
        for (other_from, other_to, second) in &faults[..index] {
            let once = GOOD.replacen(from, to, 1);
            let text = once.replacen(other_from, other_to, 1);
            if from == other_from || !once.contains(other_from) || !text.contains(to) {
                continue;
            }
            pairs += 1;
            let found = parse("f", &text).unwrap_err();
            let found: Vec<String> = found
                .iter()
                .map(|problem| without_numbers(&problem.to_string()))
                .collect();
            for (expected, other) in [(first, second), (second, first)] {
                let expected = without_numbers(expected);
                assert!(
                    hides(other, &expected) || found.iter().any(|found| found.contains(&expected)),
                    "{from} -> {to}\n{other_from} -> {other_to}\nexpected {expected}\nfound {found:#?}"
                );
            }
        }
    }
    assert!(pairs > 1_000, "{pairs}");
}

#[test]
fn faults_are_told_in_the_order_of_lines() {
    let text = GOOD
        .replace("title =", "titel =")
        .replace("{{ user.id }}", "{{ user.idd }}")
        .replace("\"60m\"", "\"6 m\"");
    let lines: Vec<usize> = parse("f", &text)
        .unwrap_err()
        .iter()
        .map(|problem| problem.line)
        .collect();
    assert_eq!(lines, [2, 19, 24]);
}

/// The dialect in the manual loads, and the manual knows every operation, input, filter and kind of error.
#[test]
fn the_manual_is_right() {
    let page = include_str!("../../../../docs/src/dialects/writing.md");
    let block = page
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let found = parse("manual", block.unwrap()).err().unwrap_or_default();
    assert!(found.is_empty(), "{found:#?}");
    let inputs = OPERATIONS
        .iter()
        .flat_map(|operation| operation.inputs)
        .map(|input| input.name);
    for name in OPERATIONS
        .iter()
        .map(|operation| operation.name)
        .chain(inputs)
        .chain(FILTERS)
    {
        assert!(page.contains(name), "{name}");
    }
    for kind in Kind::ALL {
        let code = format!("`{}`", kind.code());
        let row = page
            .lines()
            .find(|line| line.starts_with('|') && line.contains(&code));
        let status = row.and_then(|row| row.split('|').nth(2)).map(str::trim);
        assert_eq!(status, Some(natural_status(*kind).as_str()), "{code}");
    }
}
