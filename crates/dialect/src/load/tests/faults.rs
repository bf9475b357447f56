//! A good file, and what can be wrong with it.

pub(super) const GOOD: &str = r#"name = "sample"
title = "Sample"
[[route]]
on = ["POST /in/{place}", "POST /v2/in/{place}"]
do = "sign_in_password"
with = { email = "{{ body.email }}", password = "{{ body.password }}" }
reply = "in"
[[route]]
on = ["GET /go"]
do = "open_browser"
with = { login_token = "{{ query.token }}" }
[[route]]
on = ["POST /key"]
do = "exchange_partner_token"
with = { key = "{{ bearer }}", email = "{{ body.email }}", uid = "{{ body.uid }}" }
reply = "key"
[token.pass]
kind = "access"
lifetime = "60m"
[token.door]
kind = "login"
algorithm = "RS256"
[reply.in]
body = { id = "{{ user.id }}", team = "{{ team.name if team else none }}", pass = "{{ token.pass }}" }
[reply.key]
body = { door = "{{ token.door }}" }
[error]
body = { no = "{{ error.code }}", why = "{{ error.message }}" }
default = { code = 1 }
[error.kinds]
invalid_credentials = { status = 401, code = 2 }
"#;

/// What is changed in the good file, to what, and what is said then.
pub(super) const FAULTS: &[(&str, &str, &str)] = &[
    // The file and its keys.
    (
        "title =",
        "titel =",
        "f:2: unknown key `titel`; did you mean `title`?",
    ),
    (
        "title = \"Sample\"",
        "title = 7",
        "f:2: `title` must be a text, not a whole number",
    ),
    ("title = \"Sample\"", "title = \"Sample", "f:2: "),
    ("name = \"sample\"\n", "", "f:1: `name` is missing"),
    (
        "\"sample\"",
        "\"Sample 1\"",
        "f:1: `Sample 1` cannot name a dialect",
    ),
    (
        "{{ body.password }}",
        "{{ body.password * 1000 }}",
        "f:6: `body.password * 1000` may multiply a text: write `(… | integer)`",
    ),
    (
        "title = \"Sample\"",
        "bearer_headers = [\"Cookie\"]",
        "f:2: cookies are not for dialects",
    ),
    (
        "{{ body.password }}",
        "{{ header.cookie }}",
        "f:6: the header `cookie` is not for expressions; the credential that a client brings is `bearer`",
    ),
    (
        "{{ body.password }}",
        "{{ body.x or header['Cookie'] }}",
        "f:6: the header `Cookie` is not for expressions",
    ),
    (
        "{{ body.password }}",
        "x{{ header.authorization | lower }}",
        "f:6: the header `authorization` is not for expressions",
    ),
    (
        "{{ body.password }}",
        "{{ header.proxy_authorization }}",
        "f:6: the header `proxy_authorization` is not for expressions",
    ),
    (
        "{{ body.password }}",
        "{{ header[ \\\"vestibule-key\\\" ] }}",
        "f:6: the header `vestibule-key` is not for expressions",
    ),
    (
        "reply = \"in\"",
        "reply = \"in\"\ntenant = \"evil.example\"",
        "f:8: `tenant` must be a field of the request, as in `{{ body.domain }}`",
    ),
    (
        "reply = \"in\"",
        "reply = \"in\"\ntenant = \"{{ 'evil' ~ '.example' }}\"",
        "f:8: `tenant` must be a field of the request",
    ),
    (
        "reply = \"in\"",
        "reply = \"in\"\ntenant = \"{{ body.domain or 'evil.example' }}\"",
        "f:8: `tenant` must be a field of the request",
    ),
    (
        "reply = \"in\"",
        "reply = \"in\"\ntenant = \"{{ header['x-company'] or header.connection }}\"",
        "f:8: the header `connection` names no tenant",
    ),
    (
        "reply = \"in\"",
        "reply = \"in\"\ntenant = \"{{ header.X_Requested_With or header['x-forwarded-for'] }}\"",
        "f:8: the header `X_Requested_With` names no tenant",
    ),
    (
        "reply = \"in\"",
        "reply = \"in\"\ntenant = \"{{ body.domain }}.example\"",
        "f:8: `tenant` must be a field of the request",
    ),
    (
        "reply = \"in\"",
        "reply = \"in\"\ntenant = \"{{ header.cookie }}\"",
        "f:8: the header `cookie` is not for expressions",
    ),
    (
        "do = \"open_browser\"",
        "do = \"open_browser\"\ntenant = \"{{ query.domain }}\"",
        "f:11: `open_browser` goes by the Host and takes no `tenant`",
    ),
    (
        "title = \"Sample\"",
        "bearer_headers = [\"a b\"]",
        "f:2: `a b` cannot be a header's name",
    ),
    // Routes.
    (
        "on = [\"POST /in",
        "no = [\"POST /in",
        "f:4: unknown key `no`",
    ),
    (
        "\"POST /in/{place}\"",
        "\"POST in/{place}\"",
        "f:4: the path `in/{place}` must begin with `/`",
    ),
    (
        "\"POST /in/{place}\"",
        "\"POTS /in/{place}\"",
        "f:4: `POTS` is not a method for a route; did you mean `POST`?",
    ),
    (
        "\"POST /in/{place}\"",
        "\"POST /in/x{place}\"",
        "f:4: the segment `x{place}`",
    ),
    (
        "\"POST /in/{place}\"",
        "\"/in/{place}\"",
        "f:4: `/in/{place}` must be a method and a path",
    ),
    (
        "[\"POST /key\"]",
        "[\"POST /in/key\"]",
        "f:12: `POST /in/key` is claimed twice, first by the route in line 3",
    ),
    (
        "\"sign_in_password\"",
        "\"sign_in_pasword\"",
        "f:5: there is no operation `sign_in_pasword`; did you mean `sign_in_password`?",
    ),
    (
        "do = \"sign_in_password\"\n",
        "",
        "f:3: the route lacks `do`",
    ),
    (
        "password = \"{{ body.password }}\" }",
        "passwort = \"{{ body.password }}\" }",
        "f:6: `sign_in_password` takes no `passwort`; did you mean `password`?",
    ),
    (
        ", password = \"{{ body.password }}\"",
        "",
        "f:3: `sign_in_password` needs `password`",
    ),
    (
        "reply = \"in\"",
        "reply = \"inn\"",
        "f:7: there is no `[reply.inn]`; did you mean `in`?",
    ),
    ("reply = \"in\"\n", "", "f:3: the route lacks `reply`"),
    (
        "reply = \"key\"",
        "reply = \"key\"\nwithout_tenant = \"person\"",
        "f:17: `exchange_partner_token` cannot find the tenant that way",
    ),
    (
        "reply = \"key\"",
        "reply = \"key\"\nwithout_tenant = \"keys\"",
        "f:17: `without_tenant` cannot be `keys`; did you mean `key`?",
    ),
    (
        "with = { login_token = \"{{ query.token }}\" }",
        "reply = \"in\"",
        "f:8: `open_browser` needs either",
    ),
    (
        "login_token = ",
        "access_token = ",
        "f:8: `open_browser` with an `access_token` needs `roles`",
    ),
    // Expressions.
    (
        "{{ body.email }}",
        "{{ body. }}",
        "f:6: `body.` is not an expression",
    ),
    (
        "{{ body.email }}",
        "{{ body.email | lowr }}",
        "f:6: there is no filter `lowr`; did you mean `lower`?",
    ),
    (
        "{{ body.email }}",
        "{{ body.email ",
        "opens `{{` and does not close it",
    ),
    (
        "{{ body.email }}",
        "{{ bdoy.email }}",
        "f:6: `bdoy` names nothing here; did you mean `body`?",
    ),
    (
        "{{ body.email }}",
        "{{ path.plaice }}",
        "f:6: `path` has no `plaice`; did you mean `place`?",
    ),
    (
        "{{ body.email }}",
        "{{ user.email }}",
        "f:6: `user` names nothing here",
    ),
    (
        "{{ body.email }}",
        "{{ range(9) }}",
        "f:6: `range` names nothing here",
    ),
    (
        "{{ bearer }}",
        "{{ bearer.x }}",
        "f:15: `bearer` has no fields",
    ),
    (
        "{{ user.id }}",
        "{{ user.idd }}",
        "f:24: `user` has no `idd`; did you mean `id`?",
    ),
    (
        "{{ user.id }}",
        "{{ exists }}",
        "f:24: `exists` names nothing here; known are user, session, team, tenant, now, token (in the reply to `sign_in_password`)",
    ),
    (
        "{{ token.pass }}",
        "{{ token.pas }}",
        "f:24: `token` has no `pas`; did you mean `pass`?",
    ),
    (
        "{{ token.door }}",
        "{{ session.id }}",
        "f:26: `session` names nothing here",
    ),
    (
        "{{ token.door }}",
        "{{ token.door }}{{ token.pass }}",
        "f:25: `exchange_partner_token` signs nobody in, so `token.pass` cannot be minted",
    ),
    // Tokens.
    (
        "lifetime = \"60m\"",
        "lifetime = \"60 minutes\"",
        "f:19: `60 minutes` is not a span of time",
    ),
    (
        "lifetime = \"60m\"",
        "lifetime = \"30d\"",
        "f:19: `30d` is too long",
    ),
    (
        "lifetime = \"60m\"",
        "audience = \"x\"",
        "f:19: access tokens are always for",
    ),
    (
        "lifetime = \"60m\"",
        "claims = { sub = \"x\" }",
        "f:19: the claim `sub` is set by the core",
    ),
    (
        "lifetime = \"60m\"",
        "claims = { x = \"{{ token.pass }}\" }",
        "f:19: `token` names nothing here",
    ),
    (
        "\"RS256\"",
        "\"HS256\"",
        "f:22: no tokens are signed with `HS256`; did you mean `ES256`?",
    ),
    (
        "kind = \"login\"",
        "kind = \"logon\"",
        "f:21: a token of kind `logon` is not known; did you mean `login`?",
    ),
    (
        "kind = \"login\"",
        "kind = \"refresh\"",
        "f:22: refresh and session tokens are opaque and have no `algorithm`",
    ),
    (
        "[token.door]",
        "[token.spare]\nkind = \"refresh\"\n[token.door]",
        "f:20: no reply names `token.spare`",
    ),
    (
        "[reply.key]",
        "[reply.other]\nbody = 1\n[reply.key]",
        "f:25: no route answers with `[reply.other]`",
    ),
    // Errors.
    (
        "invalid_credentials = {",
        "invalid_credential = {",
        "f:31: there is no kind of error `invalid_credential`; did you mean `invalid_credentials`?",
    ),
    (
        "status = 401",
        "status = 1000",
        "f:31: `status` must be an HTTP status",
    ),
    (
        "default = { code = 1 }",
        "",
        "f:27: `[error.kinds]` lacks `malformed_body`, which every route can raise: the body names `error.code`",
    ),
    (
        "default = { code = 1 }",
        "",
        "f:27: `[error.kinds]` lacks `missing_email`, which `sign_in_password` (line 3) can raise",
    ),
    (
        "status = 401, code = 2",
        "status = 401, reason = 2",
        "f:31: `error.reason` is set by the core",
    ),
    (
        "status = 401, code = 2",
        "status = 401, code = 2, shape = \"x\"",
        "f:31: there is no `[error.shapes]` entry `x`",
    ),
    (
        "{{ error.message }}",
        "{{ error.mesage }}",
        "f:28: `error` has no `mesage`, which the body of errors names; did you mean `message`?",
    ),
    (
        "{{ error.message }}",
        "{{ message }}",
        "f:28: `message` names nothing here; did you mean `error.message`?",
    ),
    (
        "code = 1 }",
        "code = \"{{ error.kind }}\" }",
        "f:29: `code` is a plain value",
    ),
];

/// Faults without which others cannot be seen: a path, an operation, a reply or a kind that is not known.
pub(super) const HIDES: &[(&str, &[&str])] = &[
    (
        "unknown key `no`",
        &["the segment", "claimed twice", "`plaice`"],
    ),
    ("must begin with `/`", &["claimed twice", "`plaice`"]),
    ("is not a method", &["claimed twice", "`plaice`"]),
    ("the segment", &["claimed twice", "`plaice`"]),
    ("must be a method", &["claimed twice", "`plaice`"]),
    ("no operation", &["`sign_in_password`", "lacks `reply`"]),
    ("lacks `do`", &["`sign_in_password`", "lacks `reply`"]),
    ("no `[reply.inn]`", &["in the reply to"]),
    ("lacks `reply`", &["in the reply to"]),
    ("are opaque", &["signed with"]),
];
