//! What templates of others may cost.

use std::sync::Arc;

use minijinja::context;

use super::{base, render};
use crate::site::sample_tenant;
use crate::templates::replaced::check;

/// What becomes of a template.
#[derive(Clone, Copy)]
enum Fate<'a> {
    /// Not applied, with a message that holds this; ours is shown where it is stored already.
    Refused(&'static str),
    /// Applied, but ours is shown.
    Fails,
    /// Applied, and shown with this in it.
    Shows(&'a str),
}
use Fate::{Fails, Refused, Shows};

const SIGNS: &str = "a tag has 256 words and signs at most";

fn nested(begin: &str, inner: &str, end: &str, times: usize) -> String {
    begin.repeat(times) + inner + &end.repeat(times)
}

/// Templates that grow a value, each in a way of its own.
fn growing() -> Vec<(String, Fate<'static>)> {
    let doubling = |op: &str| nested(&format!("{{% set x = x {op} x %}}"), "{{ x }}", "", 34);
    let raw = "y".repeat(30_000);
    let each = "{% for i in [1,2,3,4,5,6,7,8,9] %}";
    let end = "{% endfor %}";
    let list = |grown: &str| {
        format!(
            "{{% set x = [1] %}}{}",
            nested(
                &format!("{{% set x = {grown} %}}"),
                "{% if x == x %}{{ x|length }}{% endif %}",
                "",
                40
            )
        )
    };
    let said = nested("say('sign_in.to', product=", "'x'", ")", 20);
    vec![
        ("{{ 'x' * 2000000000 }}".into(), Refused("do not multiply")),
        ("{{ 'x' * 99999999 }}".into(), Refused("do not multiply")),
        ("{{ [1] * 99999999 }}".into(), Refused("do not multiply")),
        ("{{ 9 ** 9 }}".into(), Refused("do not multiply")),
        (
            "{{ 'a\nb'|indent(2000000000)|length }}".into(),
            Refused("there is no filter `indent`"),
        ),
        (
            "{{ '%1000000000d'|format(1)|length }}".into(),
            Refused("there is no filter `format`"),
        ),
        (
            "{{ 'x'|center(1000000000) }}".into(),
            Refused("there is no filter `center`"),
        ),
        (
            "{{ 'x'|wordwrap(1) }}".into(),
            Refused("there is no filter `wordwrap`"),
        ),
        (
            "{{ [1]|batch(99999999, 'x') }}".into(),
            Refused("there is no filter `batch`"),
        ),
        (
            "{{ [1]|slice(99999999, 'x') }}".into(),
            Refused("there is no filter `slice`"),
        ),
        (
            "{{ [[1]]|tojson(indent=99999999) }}".into(),
            Refused("there is no filter `tojson`"),
        ),
        (
            "{{ [1]|pprint }}".into(),
            Refused("there is no filter `pprint`"),
        ),
        (
            "{{ 'x'|split('') }}".into(),
            Refused("there is no filter `split`"),
        ),
        (
            "{{ [1]|map('string') }}".into(),
            Refused("there is no filter `map`"),
        ),
        (
            "{{ [[1],[2]]|sum(start=[]) }}".into(),
            Refused("there is no filter `sum`"),
        ),
        (
            "{% filter indent(2000000000) %}a\nb{% endfilter %}".into(),
            Refused("there is no filter `indent`"),
        ),
        (
            "{{ 1 is divisibleby(2) }}".into(),
            Refused("there is no test `divisibleby`"),
        ),
        (
            "{{ range(100000000) }}".into(),
            Refused("nothing fills `range` here"),
        ),
        (
            "{{ dict(a=1) }}".into(),
            Refused("nothing fills `dict` here"),
        ),
        (
            "{{ debug() }}".into(),
            Refused("nothing fills `debug` here"),
        ),
        (
            "{% set ns = namespace(x=[1]) %}".into(),
            Refused("nothing fills `namespace` here"),
        ),
        ("{{ 'xxx'[0:2] }}".into(), Refused("pages take no pieces")),
        (
            "{% set x %}y{% endset %}{{ x }}".into(),
            Refused("`set` takes a value"),
        ),
        (
            format!(
                "{{% macro m(a) %}}{{{{ a }}}}{{{{ a }}}}{{% endmacro %}}{{{{ {} }}}}",
                nested("m(", "'xxxxxxxx'", ")", 30)
            ),
            Fails,
        ),
        (
            format!(
                "{{% macro m(a) %}}{{{{ a }}}}{{{{ a }}}}{{% endmacro %}}{{% set say = m %}}{{% set x = 'xxxxxxxx' %}}{}",
                "{% set x = say(x) %}".repeat(30)
            ),
            Fails,
        ),
        (
            format!(
                "{{% import 'mail/parts.html' as p %}}{{% set x = 'xxxxxxxx' %}}{}{{{{ x }}}}",
                "{% set x = p.text(x ~ x) ~ p.quiet(x) %}".repeat(30)
            ),
            Fails,
        ),
        (
            "{{ __measured('x') }}".into(),
            Refused("`__measured` is not for templates"),
        ),
        (
            "{% set x = 1, 'a' ~ 'b' %}".into(),
            Refused("this cannot be measured here"),
        ),
        (
            format!("{{% raw %}}{raw}{{% endraw %}}"),
            Refused("`raw` takes 128 bytes at most"),
        ),
        (
            format!(
                "{{% macro m() %}}{}{{% raw %}}{}{{% endraw %}}{}{{% endmacro %}}{{{{ m() }}}}",
                each.repeat(5),
                "{".repeat(60_000),
                end.repeat(5)
            ),
            Refused("`raw` takes 128 bytes at most"),
        ),
        (
            format!("{{% raw %}}{}{{% endraw %}}", "{".repeat(129)),
            Refused("`raw` takes 128 bytes at most"),
        ),
        (
            format!("{{% set x = 'xxxxxxxx' %}}{}", doubling("~")),
            Fails,
        ),
        (
            format!("{{% set x = 'xxxxxxxx' %}}{}", doubling("+")),
            Fails,
        ),
        (format!("{{% set x = [1] %}}{}", doubling("+")), Fails),
        (
            format!(
                "{{% set x = 'x' %}}{each}{each}{each}{each}{each}{{% set x = x ~ 'xxxxxxxxxxxxxxxxxxxxxxxx' %}}{}",
                end.repeat(5)
            ),
            Fails,
        ),
        (list("[x, x]"), Fails),
        (list("(x, x)"), Fails),
        (list("{'a': x, 'b': x}"), Fails),
        (list("{x: x}"), Fails),
        (
            format!(
                "{{% set x = 'xxxxxxxxxx' %}}{}{{{{ x }}}}",
                "{% set x = x|replace('x', 'xxxxxxxxxx') %}".repeat(9)
            ),
            Fails,
        ),
        (
            format!(
                "{{% set x = '{}' %}}{{{{ x|replace('', x) }}}}",
                "x".repeat(9_000)
            ),
            Fails,
        ),
        (
            format!("{{{{ '%'{} }}}}", "|urlencode".repeat(120)),
            Shows("%2525252525"),
        ),
        (
            format!(
                "{{{{ '%{}'{} }}}}",
                "%".repeat(500),
                "|urlencode".repeat(120)
            ),
            Fails,
        ),
        (
            format!(
                "{{{{ [{}]|join('{}') }}}}",
                "1,".repeat(100),
                "x".repeat(5_000)
            ),
            Fails,
        ),
        (
            format!(
                "{{% macro m(a) %}}{{{{ a|length }}}}{{{{ m(a{}) }}}}{{% endmacro %}}{{{{ m('x') }}}}",
                " ~ a".repeat(50)
            ),
            Fails,
        ),
        (
            format!(
                "{{% macro m() %}}{}{raw}{}{{% endmacro %}}{{{{ m() }}}}",
                each.repeat(5),
                end.repeat(5)
            ),
            Fails,
        ),
        (
            format!(
                "{{% macro n() %}}{raw}{{% endmacro %}}{{% macro m() %}}{}{{{{ n() }}}}{}{{% endmacro %}}{{{{ m() }}}}",
                each.repeat(5),
                end.repeat(5)
            ),
            Fails,
        ),
        (
            format!(
                "{{% macro m(a) %}}{}{{{{ a }}}}{}{{% endmacro %}}{{{{ m('{}') }}}}",
                each.repeat(5),
                end.repeat(5),
                "x".repeat(15_000)
            ),
            Fails,
        ),
        (
            format!(
                "{{% macro m() %}}{{{{ caller() }}}}{{{{ caller() }}}}{{% endmacro %}}{}",
                nested(
                    "{% call m() %}",
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                    "{% endcall %}",
                    30
                )
            ),
            Fails,
        ),
        (
            format!(
                "{{% macro m() %}}{}{{% include 'account.html' %}}{}{{% endmacro %}}{{{{ m() }}}}",
                each.repeat(5),
                end.repeat(5)
            ),
            Fails,
        ),
        (
            format!(
                "{{% filter upper %}}{}{raw}{}{{% endfilter %}}",
                each.repeat(3),
                end.repeat(3)
            ),
            Fails,
        ),
        (
            "{% for a in [[1],[2]] recursive %}{{ loop([[1],[2]]) }}{% endfor %}".into(),
            Fails,
        ),
        (format!("{{{{ {said} }}}}"), Shows("x")),
    ]
}

/// Templates that go through a long value again and again, in far fewer steps than they have.
fn toiling() -> Vec<(String, Fate<'static>)> {
    let long = "Ж ".repeat(4_500);
    let often = |what: &str, times: usize| {
        let each = "{% for i in [1,2,3,4,5,6] %}".repeat(times);
        let end = "{% endfor %}".repeat(times);
        format!(
            "{{% set x = '{long}' %}}{{% set y = x ~ '' %}}{{% set l = [x] %}}{each}{{% if {what} %}}{{% endif %}}{end}"
        )
    };
    let whats = [
        "x|title",
        "x|capitalize",
        "x|upper",
        "x|trim|trim",
        "x|e",
        "x|first",
        "x|replace('a', 'b')",
        "l|join",
        "x ~ ''",
        "[x]",
        "{'a': x}",
        "(1, x)",
        "x in 'abc'",
        "l in 'abc'",
        "'a' < l in 'abc'",
        "l not in 'abc'",
        "x == y",
        "x <= y",
        "l == [y]",
        "1 < 2 == (l == [y])",
        "2 in l",
        "l in [l]",
    ];
    let fates = whats.into_iter().flat_map(|what| {
        let few = format!("{}few", often(what, 1));
        [(few, Shows("few")), (often(what, 4), Fails)]
    });
    fates.collect()
}

/// What is refused because nothing bounds it.
fn unbounded() -> Vec<(String, Fate<'static>)> {
    let texts = "another template is named by a text";
    [
        (
            "{% do say('sign_in.to', product='x') %}",
            "`do` is not for pages",
        ),
        (
            "{% set l = ['none'] %}{% include l ignore missing %}",
            texts,
        ),
        ("{% include ['a', 'b'] ignore missing %}", texts),
        ("{% set n = 'mail/parts.html' %}{% import n as p %}", texts),
        (
            "{% set n = 'mail/parts.html' %}{% from n import quiet %}",
            texts,
        ),
        ("{% set n = 'frame.html' %}{% extends n %}", texts),
    ]
    .map(|(source, why)| (source.to_owned(), Refused(why)))
    .into_iter()
    .chain([
        (
            blocks(65),
            Refused("line 65: a template has 64 `block`s at most"),
        ),
        (blocks(64), Shows("named")),
    ])
    .collect()
}

/// Each in a line of its own.
fn blocks(times: usize) -> String {
    let blocks = (0..times).map(|block| format!("{{%- block b{block} %}}{{% endblock %}}\n"));
    blocks.collect::<String>() + "named"
}

/// Templates that nest deeply.
fn deep() -> Vec<(String, Fate<'static>)> {
    let tag = |text: String| format!("{{{{ {text} }}}}");
    vec![
        (
            "{% if 1 %}{% set x|default(a=1) %}{% endset %}".repeat(1_000),
            Refused("`set` takes a value"),
        ),
        (tag("not ".repeat(15_000) + "1"), Refused(SIGNS)),
        (tag("-".repeat(60_000) + "1"), Refused(SIGNS)),
        (tag("1".to_owned() + &"+1".repeat(30_000)), Refused(SIGNS)),
        (tag("1".to_owned() + &"~1".repeat(30_000)), Refused(SIGNS)),
        (tag("1".to_owned() + &"<1".repeat(30_000)), Refused(SIGNS)),
        (
            tag("1".to_owned() + &" or 1".repeat(12_000)),
            Refused(SIGNS),
        ),
        (
            tag("1".to_owned() + &" if 1 else 1".repeat(5_000)),
            Refused(SIGNS),
        ),
        (tag("'x'".to_owned() + &".a".repeat(30_000)), Refused(SIGNS)),
        (
            tag("'x'".to_owned() + &"[0]".repeat(20_000)),
            Refused(SIGNS),
        ),
        (tag("'x'".to_owned() + &"()".repeat(20_000)), Refused(SIGNS)),
        (
            tag("'x'".to_owned() + &"|upper".repeat(9_000)),
            Refused(SIGNS),
        ),
        (
            tag("'x'".to_owned() + &" is defined".repeat(5_000)),
            Refused(SIGNS),
        ),
        (tag(nested("(", "1", ")", 20_000)), Refused(SIGNS)),
        (tag(nested("[", "", "]", 20_000)), Refused(SIGNS)),
        (tag(nested("{1:", "1", "}", 10_000)), Refused(SIGNS)),
        (
            format!(
                "{{% for {} in [] %}}{{% endfor %}}",
                nested("(", "a", ")", 20_000)
            ),
            Refused(SIGNS),
        ),
        (
            nested("{% if 1 %}", "", "{% endif %}", 3_000),
            Refused("40 blocks in one another"),
        ),
        (
            format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(5_000)),
            Refused("40 blocks in one another"),
        ),
        // As deep as it may be.
        (tag("not ".repeat(254) + "1"), Shows("True")),
        (tag("-".repeat(254) + "1"), Shows("1")),
        (tag("1".to_owned() + &"-1".repeat(126)), Shows("-125")),
        (tag("1".to_owned() + &" if 1 else 1".repeat(60)), Shows("1")),
        (tag("1".to_owned() + &"~1".repeat(120)), Shows("11111111")),
        (tag(nested("(", "1", ")", 70)), Shows("1")),
        (tag(nested("[", "1", "]", 30)), Shows("[1]")),
        (
            nested("{% if 1 %}", "deep", "{% endif %}", 40),
            Shows("deep"),
        ),
        (
            format!(
                "{{% if 0 %}}{}{{% else %}}deep{{% endif %}}",
                "{% elif 0 %}".repeat(40)
            ),
            Shows("deep"),
        ),
        (
            nested(
                "{% for a in [1] %}",
                &tag("not ".repeat(254) + "0"),
                "{% endfor %}",
                40,
            ),
            Shows("False"),
        ),
        (
            "{% macro m(a) %}{{ m(a) }}{% endmacro %}{{ m(1) }}".into(),
            Fails,
        ),
        ("{% include 'verify-email.html' %}".into(), Fails),
        ("{% extends 'verify-email.html' %}".into(), Fails),
    ]
}

/// The most memory that this process had, in KiB, where the system tells.
fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(0, |line| {
        line.trim().trim_end_matches(" kB").parse().unwrap()
    })
}

fn meets(source: &str, fate: Fate<'_>) {
    let told = source.chars().take(150).collect::<String>();
    let tenant = sample_tenant(&format!(
        "[templates]\n'verify-email.html' = '''\n{source}'''"
    ));
    let faults = check(&tenant.file.templates);
    match fate {
        Refused(message) => {
            assert_eq!(faults.len(), 1, "{told}");
            assert!(faults[0].message.contains(message), "{told}: {faults:?}");
        }
        _ => assert_eq!(faults, [], "{told}"),
    }
    let tenant = Arc::new(tenant);
    let values = context! { email => "ada@example.com", ..base(Some(&tenant), "r1", "en") };
    let html = render(Some(&tenant), "en", "verify-email.html", values).unwrap();
    match fate {
        Shows(text) => {
            assert!(html.contains(text), "{told}: {html}");
            assert!(!html.contains("<title>"), "{told}");
        }
        _ => assert!(html.contains("<title>"), "{told}: {html:.200}"),
    }
}

#[test]
fn bounds_change_nothing_of_what_a_template_says() {
    let macros = "{% import 'mail/parts.html' as p %}{% macro m(a, b='-') %}<{{ a }}{{ b }}>{% endmacro %}{% macro n() %}({{ caller() }}){% endmacro %}";
    let text = "long { text {\u{e9} ".repeat(40);
    let comment = format!("{{# {} #}}{text}", "{{ 'x' * 9 }}".repeat(40));
    let braces = format!("{}{{##}}{}", "{".repeat(62), "}".repeat(62));
    let in_raw = format!("{{% raw %}}{braces}{{% endraw %}}");
    for (source, shown) in [
        ("{{ 'a' ~ 1 ~ ('b' ~ 'c') ~ email }}", "a1bcada@example.com"),
        ("{{ ('a' ~ 'b')|upper ~ 'c' }}", "ABc"),
        ("é{{ 'é' ~ 'ü' ~ ['ö' ~ 1][0] }}é", "ééüö1é"),
        ("{{ 'a' ~ 'b'|upper }}", "aB"),
        ("{{ 'a' ~ 'b' if 1 + 1 == 2 else 'c' ~ 'd' }}", "ab"),
        ("{{ not 'a' ~ 'b' == 'ab' }}", "False"),
        ("{{ 2 - 1 + 3 - -1 }} {{ 7 // 2 }} {{ 7 % 4 }}", "5 3 3"),
        ("{{ 'b' in ['a', 'b'] and 1 in (1, 2) }}", "True"),
        (
            "{% set x = {'a': 'b'} %}{{ x.a in 'abc' }}{{ x['a'] not in 'abc' }}{{ x.a|upper in 'aBc' }}",
            "TrueFalseTrue",
        ),
        (
            "{{ ('a' ~ 'b') in 'abc' }}{{ 'a' ~ 'b' in 'abc' }}{{ m(1) in m(1) }}{{ 1 < 2 in [2] }}{{ email in [email] }}",
            "TrueTrueTrueTrueTrue",
        ),
        (
            "{{ {'a': {'b': 'c' ~ 'd'}}.a.b }}{{ [1, [2]][1][0] }}",
            "cd2",
        ),
        (
            "{% for a, b in {'x': 1}|items %}{{ a }}{{ b + 1 }}{% endfor %}",
            "x2",
        ),
        (
            "{% set x = 'a' %}{% set x = x ~ x %}{% with y = x ~ 'b' %}{{ y }}{% endwith %}",
            "aab",
        ),
        (
            "{{ m(m(1) ~ m(2, b='!')) }}{{ m(a='x' ~ 'y') }}",
            "<&lt;1-&gt;&lt;2!&gt;-><xy->",
        ),
        ("{% set x = m('y') %}{{ x }}{{ m('y')|length }}", "<y->4"),
        ("{{ m('a') if 0 else m('b') }}", "<b->"),
        (
            "{% call n() %}c{% endcall %}{% filter upper %}a{{ m('d') }}{% endfilter %}",
            "(c)A<D->",
        ),
        (
            "{{ p.quiet('a' ~ '1')|length > 9 }}{{ 'n' ~ (p.quiet('x')|length > 9) ~ 'm' }}",
            "TruenTruem",
        ),
        (
            "{{ {}.x|default('none' ~ '!') }}{{ [3, 4]|join('+') }}{{ ' x '|trim }}",
            "none!3+4x",
        ),
        (
            "{{ 'a&b'|urlencode }} {{ '<'|e }} {{ '<'|safe }} {{ 'aXa'|replace('a', 'b') }}",
            "a%26b &lt; < bXb",
        ),
        (
            "{% for a in [1,2,3] %}{{ loop.cycle('x', 'y') }}{% endfor %}",
            "xyx",
        ),
        ("a  {%- if 1 -%}  b  {%- endif +%}  c", "ab  c"),
        (&text, &text),
        (&comment, &text),
        (&in_raw, &braces),
    ] {
        meets(&format!("{macros}[{source}]"), Shows(&format!("[{shown}]")));
    }
}

#[test]
fn no_template_takes_the_process_down() {
    // Half of what a thread of the server has; unoptimised calls take more than that.
    let stack = 1024 * 1024;
    let before = most_memory();
    let all = move || {
        for (source, fate) in growing()
            .into_iter()
            .chain(unbounded())
            .chain(toiling())
            .chain(deep())
        {
            meets(&source, fate);
        }
    };
    let thread = std::thread::Builder::new().stack_size(stack).spawn(all);
    thread.unwrap().join().unwrap();
    let grown = most_memory() - before;
    assert!(grown < 100 * 1024, "{grown} KiB");
}
