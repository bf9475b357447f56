//! `[[route]]`: which requests call which operation with what.

use http::Method;
use vestibule_identity::Kind;

use super::reply::Reply;
use super::source::{Data, Field, Findings, Node, field, only};
use super::tenant::{TenantSource, check_tenant, without_tenant};
use crate::expression::Mode;
use crate::inputs::Input;
use crate::operation::{EVERYWHERE, OPERATIONS, Operation, Presence};
use crate::path::Pattern;
use crate::problem::did_you_mean;
use crate::scope::{check_header, check_name, input_roots};
use crate::shape::Shape;

#[derive(Debug)]
pub(crate) struct Route {
    pub line: usize,
    pub on: Vec<(Method, Pattern)>,
    pub operation: &'static Operation,
    /// In the operation's order.
    pub inputs: Vec<Input>,
    /// Names the tenant by one of its domains, before the Host does.
    pub tenant: Option<Shape>,
    pub without_tenant: TenantSource,
    pub reply: Option<usize>,
    /// The query options that some expression reads.
    pub query_options: Vec<String>,
}

impl Route {
    /// Whether a request may find its tenant where the Host names none.
    pub(crate) fn is_open(&self) -> bool {
        self.tenant.is_some() || self.without_tenant != TenantSource::Refuse
    }

    /// Every kind that this route can raise.
    pub(crate) fn raises(&self) -> Vec<Kind> {
        let named = |kind: &Kind| !self.operation.is_browser() && !EVERYWHERE.contains(kind);
        let of_inputs = self.inputs.iter().flat_map(|input| {
            let missing = (input.spec.presence != Presence::Optional).then_some(input.spec.missing);
            missing.into_iter().chain([input.spec.malformed])
        });
        let mut kinds: Vec<Kind> = of_inputs
            .chain(self.operation.raises.iter().copied())
            .collect();
        kinds.extend(self.tenant.as_ref().map(|_| Kind::UnknownTenant));
        kinds
            .extend((self.without_tenant == TenantSource::Person).then_some(Kind::AmbiguousTenant));
        kinds.retain(named);
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

const KEYS: [&str; 6] = ["on", "do", "with", "reply", "tenant", "without_tenant"];

pub(crate) fn read(root: &[Field], replies: &[Reply], findings: &mut Findings) -> Vec<Route> {
    let Some(routes) = field(root, "route") else {
        findings.add(1, "there is no `[[route]]`");
        return Vec::new();
    };
    let items = routes.node.items("`route`", findings).to_vec();
    let mut claimed = Vec::new();
    let mut read = Vec::new();
    for item in &items {
        let fields = item.fields("a route", findings).to_vec();
        only(&fields, &KEYS, findings);
        let on = patterns(item, &fields, findings);
        claimed.extend(on.iter().map(|on| (item.line, on.clone())));
        read.extend(one(item, &fields, on, replies, findings));
    }
    check_overlap(&claimed, findings);
    read
}

/// Whatever does not depend on the operation is checked also where there is none of that name.
fn one(
    item: &Node,
    fields: &[Field],
    on: Vec<(Method, Pattern)>,
    replies: &[Reply],
    findings: &mut Findings,
) -> Option<Route> {
    let operation = operation(item, fields, findings);
    let with = match field(fields, "with") {
        Some(with) => with.node.fields("`with`", findings).to_vec(),
        None => Vec::new(),
    };
    let mut compile = |field| compiled(field, findings);
    let with: Vec<(&Field, Shape)> = with.iter().map(&mut compile).collect();
    let tenant = field(fields, "tenant").map(compile);
    let roots = input_roots(common_parameters(fields, &on));
    let mut query_options = Vec::new();
    for (field, shape) in with.iter().chain(&tenant) {
        for code in shape.codes() {
            query_options.extend(code.query_options());
            for name in code.names() {
                findings.keep(field.line, check_name(&name, &roots));
            }
            for header in code.headers() {
                findings.keep(field.line, check_header(&header));
            }
        }
    }
    if let Some((field, shape)) = &tenant {
        check_tenant(field, shape, operation, findings);
    }
    let reply = reply(item, fields, operation, replies, findings);
    let without_tenant = without_tenant(fields, operation, findings);
    let operation = operation?;
    Some(Route {
        line: item.line,
        on,
        operation,
        inputs: inputs_of(item, operation, with, findings),
        tenant: tenant.map(|(_, shape)| shape),
        without_tenant,
        reply,
        query_options,
    })
}

fn compiled<'f>(field: &'f Field, findings: &mut Findings) -> (&'f Field, Shape) {
    (field, field.node.shape(Mode::Input, findings))
}

fn patterns(item: &Node, fields: &[Field], findings: &mut Findings) -> Vec<(Method, Pattern)> {
    let Some(on) = field(fields, "on") else {
        findings.add(item.line, "the route lacks `on`: [\"POST /path\"]");
        return Vec::new();
    };
    let mut patterns = Vec::new();
    for entry in on.node.items("`on`", findings) {
        let Some(text) = entry.text("an entry of `on`", findings) else {
            continue;
        };
        patterns.extend(findings.keep(entry.line, pattern(text)));
    }
    if patterns.is_empty() {
        findings.add(on.line, "`on` lists no path");
    }
    patterns
}

/// Characters of a field's name in messages.
const LABEL: usize = 64;

const METHODS: [&str; 5] = ["DELETE", "GET", "PATCH", "POST", "PUT"];

fn pattern(text: &str) -> Result<(Method, Pattern), String> {
    let (method, path) = text
        .split_once(' ')
        .ok_or_else(|| format!("`{text}` must be a method and a path, as in `POST /login`"))?;
    if !METHODS.contains(&method) {
        return Err(format!(
            "`{method}` is not a method for a route{}",
            did_you_mean(method, METHODS)
        ));
    }
    let method = method
        .parse()
        .map_err(|_| format!("`{method}` is not a method"))?;
    Ok((method, Pattern::parse(path.trim())?))
}

/// The parameters that every path of the route has; `None` where a path cannot be read.
fn common_parameters(fields: &[Field], on: &[(Method, Pattern)]) -> Option<Vec<String>> {
    let listed = match field(fields, "on").map(|on| &on.node.value) {
        Some(Data::List(items)) => items.len(),
        _ => 0,
    };
    let (first, rest) = on.split_first().filter(|_| on.len() == listed)?;
    let everywhere = |name: &&str| {
        rest.iter()
            .all(|(_, pattern)| pattern.parameters().any(|other| other == *name))
    };
    let common = first.1.parameters().filter(everywhere);
    Some(common.map(str::to_owned).collect())
}

fn operation(item: &Node, fields: &[Field], findings: &mut Findings) -> Option<&'static Operation> {
    let Some(named) = field(fields, "do") else {
        findings.add(item.line, "the route lacks `do`: the operation");
        return None;
    };
    let name = named.node.text("`do`", findings)?;
    let found = Operation::named(name);
    if found.is_none() {
        let known = OPERATIONS.iter().map(|operation| operation.name);
        findings.add(
            named.line,
            format!(
                "there is no operation `{name}`{}",
                did_you_mean(name, known)
            ),
        );
    }
    found
}

fn inputs_of(
    item: &Node,
    operation: &'static Operation,
    mut with: Vec<(&Field, Shape)>,
    findings: &mut Findings,
) -> Vec<Input> {
    let known: Vec<&str> = operation.inputs.iter().map(|input| input.name).collect();
    for (unknown, _) in with
        .iter()
        .filter(|(input, _)| !known.contains(&input.name.as_str()))
    {
        let name = &unknown.name;
        findings.add(
            unknown.line,
            format!(
                "`{}` takes no `{name}`{}",
                operation.name,
                did_you_mean(name, known.iter().copied())
            ),
        );
    }
    let mut inputs = Vec::new();
    for spec in operation.inputs {
        let Some(at) = with.iter().position(|(given, _)| given.name == spec.name) else {
            if spec.presence == Presence::Required {
                findings.add(
                    item.line,
                    format!(
                        "`{}` needs `{}`, which `with` does not name",
                        operation.name, spec.name
                    ),
                );
            }
            continue;
        };
        let (_, shape) = with.swap_remove(at);
        let label = shape
            .codes()
            .iter()
            .find_map(|code| code.request_field())
            .map_or_else(
                || spec.name.to_owned(),
                |name| name.chars().take(LABEL).collect(),
            );
        inputs.push(Input { spec, shape, label });
    }
    check_browser(item, operation, &inputs, findings);
    inputs
}

/// A browser brings one credential; an access token is good only for the roles that the route lists.
fn check_browser(item: &Node, operation: &Operation, inputs: &[Input], findings: &mut Findings) {
    let named = |name: &str| inputs.iter().any(|input| input.spec.name == name);
    if operation.is_browser() && named("login_token") == named("access_token") {
        findings.add(
            item.line,
            "`open_browser` needs either `login_token` or `access_token`",
        );
    }
    if named("access_token") && !named("roles") {
        findings.add(
            item.line,
            "`open_browser` with an `access_token` needs `roles`: who may use this door",
        );
    }
    if named("placeholders") && !named("destination") {
        findings.add(
            item.line,
            "`placeholders` fill a `destination`, which `with` does not name",
        );
    }
}

fn reply(
    item: &Node,
    fields: &[Field],
    operation: Option<&Operation>,
    replies: &[Reply],
    findings: &mut Findings,
) -> Option<usize> {
    match (field(fields, "reply"), operation.map(Operation::is_browser)) {
        (None, Some(false)) => {
            findings.add(
                item.line,
                "the route lacks `reply`: the name of a `[reply.NAME]`",
            );
            None
        }
        (None, _) => None,
        (Some(named), Some(true)) => {
            findings.add(
                named.line,
                "`open_browser` answers the browser with a redirect or a page and takes no `reply`",
            );
            None
        }
        (Some(named), _) => {
            let name = named.node.text("`reply`", findings)?;
            let found = replies.iter().position(|reply| reply.name == name);
            if found.is_none() {
                let known = replies.iter().map(|reply| reply.name.as_str());
                findings.add(
                    named.line,
                    format!("there is no `[reply.{name}]`{}", did_you_mean(name, known)),
                );
            }
            found
        }
    }
}

fn check_overlap(claimed: &[(usize, (Method, Pattern))], findings: &mut Findings) {
    for (index, (line, (method, pattern))) in claimed.iter().enumerate() {
        let clash = claimed[..index]
            .iter()
            .find(|(_, (other_method, other))| other_method == method && pattern.overlaps(other));
        if let Some((other, _)) = clash {
            findings.add(
                *line,
                format!(
                    "`{method} {}` is claimed twice, first by the route in line {other}",
                    pattern.text
                ),
            );
        }
    }
}
