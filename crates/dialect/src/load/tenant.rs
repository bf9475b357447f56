//! `tenant` and `without_tenant`: where a request's tenant is named.

use super::source::{Field, Findings, field};
use crate::expression::Code;
use crate::operation::{Operation, Verb};
use crate::problem::did_you_mean;
use crate::shape::Shape;

/// Who names the tenant when neither the request's domain nor its Host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TenantSource {
    /// Nobody: the request is refused.
    Refuse,
    /// The private key.
    Key,
    /// The refresh token.
    Token,
    /// The tenants that know the person, and the password that fits.
    Person,
}

impl TenantSource {
    fn fits(self, operation: &Operation) -> bool {
        match self {
            TenantSource::Refuse => true,
            TenantSource::Key => operation.input("key").is_some(),
            TenantSource::Token => operation.verb == Verb::RefreshSession,
            TenantSource::Person => operation.verb == Verb::SignInPassword,
        }
    }
}

/// The request chooses among the tenants that mount the dialect, and the file has no say: at a host of no tenant it could
/// otherwise lead everybody's requests to one. Pages and cookies go by the Host alone.
pub(super) fn check_tenant(
    field: &Field,
    shape: &Shape,
    operation: Option<&Operation>,
    findings: &mut Findings,
) {
    if !matches!(shape, Shape::Typed(code) if code.is_field()) {
        findings.add(
            field.line,
            "`tenant` must be a field of the request, as in `{{ body.domain }}`, or several with `or` between them",
        );
    }
    // Other headers say the same in everybody's requests.
    let own = |name: &str| {
        let name = name.replace('_', "-").to_ascii_lowercase();
        let common = ["x-forwarded", "x-original", "x-real", "x-request"];
        name.starts_with("x-") && !common.iter().any(|start| name.starts_with(start))
    };
    let headers = shape.codes().into_iter().flat_map(Code::headers);
    for header in headers.filter(|name| !own(name)) {
        findings.add(
            field.line,
            format!(
                "the header `{header}` names no tenant: of headers, a company's own can, such as `x-company`"
            ),
        );
    }
    if operation.is_some_and(Operation::is_browser) {
        findings.add(
            field.line,
            "`open_browser` goes by the Host and takes no `tenant`",
        );
    }
}

pub(super) fn without_tenant(
    fields: &[Field],
    operation: Option<&Operation>,
    findings: &mut Findings,
) -> TenantSource {
    let Some(named) = field(fields, "without_tenant") else {
        return TenantSource::Refuse;
    };
    let source = match named.node.text("`without_tenant`", findings) {
        Some("refuse") | None => return TenantSource::Refuse,
        Some("key") => TenantSource::Key,
        Some("person") => TenantSource::Person,
        Some("token") => TenantSource::Token,
        Some(other) => {
            findings.add(
                named.line,
                format!(
                    "`without_tenant` cannot be `{other}`{}",
                    did_you_mean(other, ["refuse", "key", "person", "token"])
                ),
            );
            return TenantSource::Refuse;
        }
    };
    if let Some(operation) = operation.filter(|operation| !source.fits(operation)) {
        findings.add(
            named.line,
            format!("`{}` cannot find the tenant that way", operation.name),
        );
    }
    source
}
