//! A request's way: path, tenant, inputs, operation, tokens, reply.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use minijinja::value::Value;
use secrecy::ExposeSecret;
use vestibule_identity::{
    BrowserCredential, Client, Cx, Error, Identity, Kind, Result, Tenant, TokenSpec, TokenSubject,
};

use crate::body;
use crate::call::{Answer, BrowserOpen, BrowserRequest, Call};
use crate::inputs::Inputs;
use crate::load::{Dialect, Reply, Route, TenantSource, Token, TokenKind};
use crate::path::{Decoded, Segment, decode};
use crate::perform::{perform, sign_in_password};
use crate::registry::{Dialects, Place};
use crate::scope::{Outcome, ReplyScope, RequestScope};

/// Why a place does not answer.
enum Refusal {
    NoTenant,
    NotMounted,
    Failed(Vec<Error>),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Failed(vec![error])
    }
}

/// A request at one place of one dialect.
struct Visit<'a> {
    identity: &'a Identity,
    dialect: &'a Dialect,
    place: &'a Place,
    route: &'a Route,
    call: &'a Arc<Call>,
    client: Client,
    /// Known as soon as something names it; errors look at its mount too.
    tenant: Option<Arc<Tenant>>,
    /// What to say when nothing in the request names a tenant: the Host names none, or one that does not mount this.
    otherwise: fn() -> Refusal,
    /// The request names a tenant itself, rightly or not.
    named: bool,
}

impl Dialects {
    /// Answers a request whose path some dialect knows. Never fails: failures are answers of the dialect.
    pub async fn answer(&self, identity: &Identity, call: Call) -> Answer {
        let call = Arc::new(call);
        let segments = decode(call.uri.path());
        let places = self.places(call.uri.path(), &segments);
        let mut last = Answer::NotMounted;
        for place in places {
            let Some(dialect) = self.at(place.dialect) else {
                continue;
            };
            match at_place(identity, dialect, place, &call, &segments).await {
                refused @ (Answer::NotMounted | Answer::NoTenant) => last = refused,
                answer => return answer,
            }
        }
        last
    }

    /// A refusal by the surface itself (a limit, a time-out) in the words of the dialect that owns the path for this tenant.
    pub fn refuse(&self, path: &str, tenant: Option<&Tenant>, error: &Error) -> Option<Answer> {
        let mounted =
            |dialect: &&Dialect| tenant.is_none_or(|tenant| tenant.mount(dialect.name()).is_some());
        let places = self.places(path, &decode(path));
        let dialect = places
            .into_iter()
            .filter_map(|place| self.at(place.dialect))
            .find(mounted)?;
        let (status, body) = dialect.errors.render(std::slice::from_ref(error));
        let status = if always_200(dialect, tenant) {
            StatusCode::OK
        } else {
            status
        };
        Some(Answer::Plain {
            status,
            headers: error_headers(status, Some(error)),
            body,
        })
    }
}

fn always_200(dialect: &Dialect, tenant: Option<&Tenant>) -> bool {
    tenant
        .and_then(|tenant| tenant.mount(dialect.name()))
        .is_some_and(|mount| mount.always_200)
}

async fn at_place(
    identity: &Identity,
    dialect: &Dialect,
    place: &Place,
    call: &Arc<Call>,
    segments: &[Decoded<'_>],
) -> Answer {
    let found = place
        .methods
        .iter()
        .find(|(method, _)| *method == call.method);
    let mut client = call.client.clone();
    client.dialect = Some(dialect.name.clone());
    let Some((_, index)) = found else {
        return wrong_method(dialect, place, call, client);
    };
    let Some(route) = dialect.routes.get(*index) else {
        return Answer::NotMounted;
    };
    let tenant = call
        .host_tenant
        .clone()
        .filter(|tenant| tenant.mount(dialect.name()).is_some());
    let otherwise = if call.host_tenant.is_some() {
        || Refusal::NotMounted
    } else {
        || Refusal::NoTenant
    };
    let mut visit = Visit {
        identity,
        dialect,
        place,
        route,
        call,
        client,
        tenant,
        otherwise,
        named: false,
    };
    match visit.respond(segments).await {
        Ok(answer) => answer,
        Err(Refusal::NoTenant) => Answer::NoTenant,
        Err(Refusal::NotMounted) => Answer::NotMounted,
        Err(Refusal::Failed(errors)) => visit.failed(errors),
    }
}

/// 405 where the tenant mounts the dialect, or may yet name itself. HEAD never does what GET does: a browser's place
/// shows its page without looking at the credential, every other one refuses.
fn wrong_method(dialect: &Dialect, place: &Place, call: &Call, client: Client) -> Answer {
    let routes: Vec<&Route> = place
        .methods
        .iter()
        .filter_map(|(_, index)| dialect.routes.get(*index))
        .collect();
    match &call.host_tenant {
        Some(tenant) if tenant.mount(dialect.name()).is_none() => return Answer::NotMounted,
        None if routes.iter().all(|route| {
            route.tenant.is_none() && route.without_tenant == TenantSource::Refuse
        }) =>
        {
            return Answer::NoTenant;
        }
        _ => {}
    }
    let opens_browser = place
        .methods
        .iter()
        .zip(&routes)
        .any(|((method, _), route)| *method == Method::GET && route.operation.is_browser());
    if let Some(tenant) = call
        .host_tenant
        .clone()
        .filter(|_| call.method == Method::HEAD && opens_browser)
    {
        let cx = Cx {
            tenant,
            now: call.now,
            client,
        };
        return Answer::Browser {
            cx,
            open: BrowserOpen {
                outcome: Ok(BrowserRequest::default()),
            },
        };
    }
    let (status, body) = dialect.errors.render(&[Error::new(Kind::MethodNotAllowed)]);
    let mut allowed: Vec<&str> = place
        .methods
        .iter()
        .map(|(method, _)| method.as_str())
        .collect();
    if opens_browser {
        allowed.push("HEAD");
    }
    let mut headers = error_headers(status, None);
    if let Ok(allow) = HeaderValue::from_str(&allowed.join(", ")) {
        headers.insert(header::ALLOW, allow);
    }
    Answer::Plain {
        status,
        headers,
        body,
    }
}

impl Visit<'_> {
    async fn respond(&mut self, segments: &[Decoded<'_>]) -> Result<Answer, Refusal> {
        if !self.may_find_tenant() && self.route.tenant.is_none() {
            return Err((self.otherwise)());
        }
        let options = body::query(self.call.uri.query(), &self.route.query_options);
        let inputs = match options {
            Ok(options) => self.inputs(segments, options).await,
            Err(error) => Err(error.into()),
        };
        if !self.named && !self.may_find_tenant() {
            return Err((self.otherwise)());
        }
        if self.route.operation.is_browser() {
            let tenant = self.tenant.clone().ok_or_else(self.otherwise)?;
            let cx = self.cx(tenant);
            let outcome = match inputs {
                Ok((inputs, options)) => Ok(self.browser_request(inputs, options)),
                Err(Refusal::Failed(mut errors)) if !errors.is_empty() => {
                    Err(errors.swap_remove(0))
                }
                Err(refusal) => return Err(refusal),
            };
            return Ok(Answer::Browser {
                cx,
                open: BrowserOpen { outcome },
            });
        }
        let (inputs, _) = inputs?;
        let (tenant, outcome) = self.perform(inputs).await?;
        Ok(self.reply(&tenant, &outcome).await?)
    }

    /// Whether a tenant is known, or an operation without one will find it. A Host's tenant that does not mount the
    /// dialect is not asked for another.
    fn may_find_tenant(&self) -> bool {
        self.tenant.is_some()
            || (self.call.host_tenant.is_none()
                && self.route.without_tenant != TenantSource::Refuse)
    }

    /// Evaluates the inputs, and before them the domain that names the tenant.
    async fn inputs(
        &mut self,
        segments: &[Decoded<'_>],
        options: Vec<(String, String)>,
    ) -> Result<(Inputs, Vec<(String, String)>), Refusal> {
        let takes_body = !matches!(self.call.method, Method::GET | Method::HEAD);
        let fields = match takes_body {
            true => body::fields(&self.call.headers, &self.call.body).await?,
            false => Value::from(BTreeMap::<String, Value>::new()),
        };
        let query = options
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        let scope = Value::from_object(RequestScope {
            body: fields,
            query: query.collect::<BTreeMap<_, _>>().into(),
            path: self.parameters(segments)?,
            call: self.call.clone(),
            bearer: crate::bearer::of(&self.call.headers, &self.dialect.bearer_headers)
                .map(Value::from),
        });
        // A tenant that the request names wrongly is told only after what the request lacks.
        let named = self.named_tenant(&scope).await;
        let inputs = Inputs::take(&self.route.inputs, &scope).map_err(Refusal::Failed)?;
        named?;
        Ok((inputs, options))
    }

    fn parameters(&self, segments: &[Decoded<'_>]) -> Result<Value> {
        let mut parameters = BTreeMap::new();
        for (segment, text) in self.place.pattern.segments.iter().zip(segments) {
            let Segment::Parameter(name) = segment else {
                continue;
            };
            let text = text.as_deref().ok_or_else(|| {
                Error::with_detail(
                    Kind::MalformedInput,
                    format!("{name} is not valid UTF-8 text"),
                )
            })?;
            parameters.insert(name.clone(), Value::from(text));
        }
        Ok(Value::from(parameters))
    }

    /// The tenant whose domain the request names; it wins over the Host.
    async fn named_tenant(&mut self, scope: &Value) -> Result<(), Error> {
        let Some(shape) = &self.route.tenant else {
            return Ok(());
        };
        let unknown = || Error::new(Kind::UnknownTenant);
        let named = shape.value(scope).map_err(|_| unknown())?;
        if named.is_undefined()
            || named.is_none()
            || named.as_str().is_some_and(|text| text.trim().is_empty())
        {
            return Ok(());
        }
        self.named = true;
        let domain = named.as_str().ok_or_else(unknown)?.trim();
        let found = self.identity.directory().by_domain(domain).await?;
        let mounts = |tenant: &Arc<Tenant>| tenant.mount(self.dialect.name()).is_some();
        self.tenant = Some(found.filter(mounts).ok_or_else(unknown)?);
        Ok(())
    }

    fn cx(&self, tenant: Arc<Tenant>) -> Cx {
        Cx {
            tenant,
            now: self.call.now,
            client: self.client.clone(),
        }
    }

    async fn perform(&mut self, mut inputs: Inputs) -> Result<(Arc<Tenant>, Outcome), Refusal> {
        let verb = self.route.operation.verb;
        let tenant = match (self.tenant.clone(), self.route.without_tenant) {
            (Some(tenant), _) => tenant,
            (None, TenantSource::Refuse) => return Err((self.otherwise)()),
            (None, TenantSource::Key) => {
                let tenant = self
                    .identity
                    .tenant_of_key(
                        inputs
                            .peek_secret("key")
                            .ok_or(Kind::UnauthorizedKey)
                            .map_err(Error::from)?,
                    )
                    .await?;
                if tenant.mount(self.dialect.name()).is_none() {
                    return Err(Refusal::NotMounted);
                }
                self.tenant = Some(tenant.clone());
                tenant
            }
            (None, TenantSource::Person) => {
                let command = sign_in_password(&mut inputs);
                let mut tenants = self.identity.tenants_of_person(&command.email).await?;
                tenants.retain(|tenant| tenant.mount(self.dialect.name()).is_some());
                let (tenant, signed_in) = self
                    .identity
                    .sign_in_password_anywhere(&self.client, tenants, command)
                    .await?;
                self.tenant = Some(tenant.clone());
                return Ok((
                    tenant,
                    Outcome {
                        signed_in: Some(signed_in),
                        ..Outcome::default()
                    },
                ));
            }
        };
        let outcome = perform(self.identity, &self.cx(tenant.clone()), verb, inputs).await?;
        Ok((tenant, outcome))
    }

    async fn reply(&self, tenant: &Arc<Tenant>, outcome: &Outcome) -> Result<Answer> {
        let reply = self
            .route
            .reply
            .and_then(|index| self.dialect.replies.get(index));
        let reply = reply.ok_or_else(|| Error::internal("the route has no reply"))?;
        let mut scope = ReplyScope::new(outcome, tenant, self.call.now);
        if !reply.tokens.is_empty() {
            let tokens = self.tokens(reply, tenant, outcome, &scope).await?;
            scope = scope.with_tokens(tokens);
        }
        let body = reply
            .body
            .json(&Value::from_object(scope))
            .map_err(Error::internal)?;
        let body = serde_json::to_vec(&body).map_err(Error::internal)?;
        Ok(Answer::Plain {
            status: reply.status,
            headers: headers(),
            body,
        })
    }

    /// Mints what the reply names, and nothing else.
    async fn tokens(
        &self,
        reply: &Reply,
        tenant: &Tenant,
        outcome: &Outcome,
        scope: &ReplyScope,
    ) -> Result<BTreeMap<String, Value>> {
        let scope = Value::from_object(scope.clone());
        let mut tokens = BTreeMap::new();
        for token in reply
            .tokens
            .iter()
            .filter_map(|index| self.dialect.tokens.get(*index))
        {
            let secret = self.token(token, tenant, outcome, &scope).await?;
            tokens.insert(token.name.clone(), Value::from(secret.expose_secret()));
        }
        Ok(tokens)
    }

    async fn token(
        &self,
        token: &Token,
        tenant: &Tenant,
        outcome: &Outcome,
        scope: &Value,
    ) -> Result<secrecy::SecretString> {
        let signed_in = || {
            outcome
                .signed_in
                .as_ref()
                .ok_or_else(|| Error::internal("nobody is signed in"))
        };
        let (spec, lifetime) = match &token.kind {
            TokenKind::Refresh => {
                return Ok(self.identity.refresh_token(tenant, &signed_in()?.session));
            }
            TokenKind::Session => {
                return Ok(self.identity.session_token(tenant, &signed_in()?.session));
            }
            TokenKind::Jwt { spec, lifetime } => (spec, lifetime),
        };
        let subject = match (token.needs(), &outcome.account) {
            (crate::operation::Subject::Account, Some(account)) => TokenSubject::Account(account),
            (crate::operation::Subject::Account, None) => {
                TokenSubject::Account(&signed_in()?.account)
            }
            _ => TokenSubject::Session(signed_in()?),
        };
        let extra = match token
            .claims
            .as_ref()
            .map(|claims| claims.json(scope))
            .transpose()
            .map_err(Error::internal)?
        {
            Some(serde_json::Value::Object(claims)) => claims,
            _ => serde_json::Map::new(),
        };
        let spec = TokenSpec {
            lifetime: lifetime.of(tenant),
            ..spec.clone()
        };
        self.identity.mint(tenant, &spec, subject, extra).await
    }

    fn browser_request(
        &self,
        mut inputs: Inputs,
        options: Vec<(String, String)>,
    ) -> BrowserRequest {
        let login_token = inputs
            .optional_secret("login_token")
            .map(BrowserCredential::LoginToken);
        let roles = inputs.texts("roles");
        let access_token = inputs
            .optional_secret("access_token")
            .map(|token| BrowserCredential::AccessToken { token, roles });
        let placeholders = inputs.object("placeholders");
        let known = &self.route.query_options;
        BrowserRequest {
            credential: login_token.or(access_token),
            onboarding: inputs.flag("onboarding"),
            return_to: inputs.optional_text("return_to"),
            destination: inputs
                .optional_text("destination")
                .map(|name| (name, placeholders)),
            pass_on: options
                .into_iter()
                .filter(|(name, _)| !known.contains(name))
                .collect(),
        }
    }

    fn failed(&self, errors: Vec<Error>) -> Answer {
        let first = errors.first();
        if let Some(error) =
            first.filter(|error| matches!(error.kind, Kind::Internal | Kind::Unavailable))
        {
            let (dialect, operation) = (self.dialect.name(), self.route.operation.name);
            tracing::error!(
                dialect,
                operation,
                request = self.client.request_id,
                ?error,
                "the operation failed"
            );
        }
        let (status, body) = self.dialect.errors.render(&errors);
        let mut headers = error_headers(status, first);
        let status = if always_200(self.dialect, self.tenant.as_deref()) {
            StatusCode::OK
        } else {
            status
        };
        if status == StatusCode::OK {
            headers.remove(header::WWW_AUTHENTICATE);
        }
        Answer::Plain {
            status,
            headers,
            body,
        }
    }
}

/// Of every answer: any may carry a credential, so none may be kept.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers
}

fn error_headers(status: StatusCode, error: Option<&Error>) -> HeaderMap {
    let mut headers = headers();
    let seconds = error.and_then(|error| error.retry_after);
    if seconds.is_some()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        )
    {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.unwrap_or(1)));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    headers
}
