//! A request's way: tenant, inputs, operation.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, StatusCode, header};
use minijinja::value::Value;
use vestibule_identity::{BrowserCredential, Client, Cx, Error, Identity, Kind, Result, Tenant};

use super::{Refusal, always_200, error_headers};
use crate::call::{Answer, BrowserOpen, BrowserRequest, Call};
use crate::inputs::Inputs;
use crate::load::{Dialect, Route, TenantSource};
use crate::operation::Verb;
use crate::path::{Decoded, Segment};
use crate::perform::{perform, register, sign_in_password};
use crate::registry::Place;
use crate::scope::{Outcome, RequestScope};
use crate::{bearer, body};

/// A request at one place of one dialect.
pub(super) struct Visit<'a> {
    pub identity: &'a Identity,
    pub dialect: &'a Dialect,
    pub place: &'a Place,
    pub route: &'a Route,
    pub call: &'a Arc<Call>,
    pub client: Client,
    /// The Host's, until the request names another. Each mounts the dialect; errors look at the mount too.
    pub tenant: Option<Arc<Tenant>>,
    /// The request names a tenant itself, rightly or not.
    pub named: bool,
}

impl Visit<'_> {
    pub(super) async fn respond(&mut self, segments: &[Decoded<'_>]) -> Result<Answer, Refusal> {
        if !self.may_find_tenant() && self.route.tenant.is_none() {
            return Err(Refusal::NoTenant);
        }
        let options = body::query(self.call.uri.query(), &self.route.query_options);
        let inputs = match options {
            Ok(options) => self.inputs(segments, options).await,
            Err(error) => Err(error.into()),
        };
        if !self.named && !self.may_find_tenant() {
            return Err(Refusal::NoTenant);
        }
        if self.route.operation.is_browser() {
            let tenant = self.tenant.clone().ok_or(Refusal::NoTenant)?;
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

    /// Whether a tenant is known, or an operation without one will find it.
    fn may_find_tenant(&self) -> bool {
        self.tenant.is_some() || self.route.without_tenant != TenantSource::Refuse
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
            bearer: bearer::of(&self.call.headers, &self.dialect.bearer_headers).map(Value::from),
        });
        // A tenant that the request names wrongly is told only after what the request lacks.
        let named = self.named_tenant(&scope).await;
        let (inputs, mut failures) = Inputs::take(&self.route.inputs, &scope);
        failures.extend(self.faults_beyond(&inputs));
        if !failures.is_empty() {
            let order = |field: &str| {
                self.route
                    .inputs
                    .iter()
                    .position(|it| it.spec.name == field)
            };
            failures.sort_by_key(|(field, _)| order(field));
            return Err(Refusal::Failed(
                failures.into_iter().map(|(_, error)| error).collect(),
            ));
        }
        named?;
        Ok((inputs, options))
    }

    /// What the tenant's own rules say against inputs of the right shape, so that all is told at once.
    fn faults_beyond(&self, inputs: &Inputs) -> Vec<(&'static str, Error)> {
        match (self.route.operation.verb, self.tenant.clone()) {
            (Verb::Register, Some(tenant)) => self
                .identity
                .registration_faults(&self.cx(tenant), &register(&mut inputs.clone())),
            _ => Vec::new(),
        }
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
        // Where the Host names nobody, a word that requests of others bring as well must not lead them to whoever took it for
        // a name.
        if self.tenant.is_none() && !domain.contains('.') {
            return Err(unknown());
        }
        let found = self.identity.directory().by_domain(domain).await?;
        let mounts = |tenant: &Arc<Tenant>| tenant.mount(self.dialect.name()).is_some();
        self.tenant = Some(found.filter(mounts).ok_or_else(unknown)?);
        Ok(())
    }

    fn cx(&self, tenant: Arc<Tenant>) -> Cx {
        Cx {
            client: self.client.at(&tenant),
            tenant,
            now: self.call.now,
        }
    }

    /// Takes the tenant that a credential names, if it speaks this dialect.
    fn settle(&mut self, tenant: Arc<Tenant>) -> Result<Arc<Tenant>, Refusal> {
        if tenant.mount(self.dialect.name()).is_none() {
            return Err(Refusal::NotMounted);
        }
        self.tenant = Some(tenant.clone());
        Ok(tenant)
    }

    async fn perform(&mut self, mut inputs: Inputs) -> Result<(Arc<Tenant>, Outcome), Refusal> {
        let verb = self.route.operation.verb;
        let tenant = match (self.tenant.clone(), self.route.without_tenant) {
            (Some(tenant), _) => tenant,
            (None, TenantSource::Refuse) => return Err(Refusal::NoTenant),
            (None, TenantSource::Key) => {
                let key = inputs.peek_secret("key");
                let key = key.ok_or_else(|| Error::new(Kind::UnauthorizedKey))?;
                self.settle(self.identity.tenant_of_key(key).await?)?
            }
            (None, TenantSource::Token) => {
                let token = inputs.peek_secret("token");
                let token = token.ok_or_else(|| Error::new(Kind::InvalidRefreshToken))?;
                self.settle(self.identity.tenant_of_refresh_token(token).await?)?
            }
            (None, TenantSource::Person) => {
                let command = sign_in_password(&mut inputs);
                let known = self
                    .identity
                    .tenants_of_person(&command.email, self.dialect.name());
                let tenants = known.await?;
                let (tenant, signed_in) = self
                    .identity
                    .sign_in_password_anywhere(&self.client, tenants, command)
                    .await?;
                self.tenant = Some(tenant.clone());
                return Ok((
                    tenant,
                    Outcome {
                        signed_in: Some(Arc::new(signed_in)),
                        ..Outcome::default()
                    },
                ));
            }
        };
        let outcome = perform(self.identity, &self.cx(tenant.clone()), verb, inputs).await?;
        Ok((tenant, outcome))
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

    pub(super) fn failed(&self, errors: Vec<Error>) -> Answer {
        let first = errors.first();
        if let Some(error) =
            first.filter(|error| matches!(error.kind, Kind::Internal | Kind::Unavailable))
        {
            let (dialect, operation) = (self.dialect.name(), self.route.operation.name);
            tracing::error!(
                dialect,
                operation,
                request = &*self.client.request_id,
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
