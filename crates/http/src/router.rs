//! The front door, and the table of routes behind it.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, delete, get, on, post};
use http::{StatusCode, header};
use tower::Service;
use vestibule_identity::Kind;

use crate::fault::Fault;
use crate::metrics::Metrics;
use crate::pages::{
    account, captcha, email_change, forgot, invitation, leaving, onboarding, sign_in, sign_out,
    sign_up, verify,
};
use crate::settings::App;
use crate::shared::{Shared, share};
use crate::{browser, demo, dialect, inbox, layers, native, well_known};

/// Everything that is answered on the public listener. Serve it with `ConnectInfo<SocketAddr>`, or clients have no address.
#[derive(Clone)]
pub struct FrontDoor {
    shared: Shared,
    router: Router,
}

impl FrontDoor {
    /// Opens it.
    pub fn new(app: App) -> FrontDoor {
        let surfaces = surfaces(app.settings.demo.is_some());
        let patterns = surfaces.iter().flat_map(|surface| surface.paths.clone());
        let shared = share(app, patterns.collect());
        let routers = surfaces.into_iter().map(|surface| surface.router);
        let router = routers
            .fold(Router::new(), Router::merge)
            .fallback(dialect::answer)
            .method_not_allowed_fallback(|| async { Fault::from(Kind::MethodNotAllowed) })
            .with_state(shared.clone());
        FrontDoor { shared, router }
    }
}

impl Service<Request> for FrontDoor {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let FrontDoor { shared, router } = self.clone();
        Box::pin(layers::around(shared, request, router))
    }
}

impl fmt::Debug for FrontDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrontDoor")
    }
}

/// What a route of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// Shows or takes a form of a hosted page.
    Page,
    /// The signed-in person's API, and the question that proxies ask.
    Account,
    /// The same for everybody.
    Document,
    /// There in the demo only.
    Demo,
}

/// The paths of ours, as patterns, beside those of the dialects: for tables that must name every route.
pub fn routes(demo: bool) -> Vec<(RouteKind, &'static str)> {
    let listed = |surface: Surface| {
        let kind = surface.kind;
        surface.paths.into_iter().map(move |path| (kind, path))
    };
    surfaces(demo).into_iter().flat_map(listed).collect()
}

/// Routes of one kind. There is no other way to add one, so that none is missing from the list.
struct Surface {
    kind: RouteKind,
    router: Router<Shared>,
    paths: Vec<&'static str>,
}

impl Surface {
    fn new(kind: RouteKind) -> Surface {
        Surface {
            kind,
            router: Router::new(),
            paths: Vec::new(),
        }
    }

    fn route(mut self, path: &'static str, methods: MethodRouter<Shared>) -> Surface {
        self.paths.push(path);
        self.router = self.router.route(path, methods);
        self
    }
}

fn surfaces(demo: bool) -> Vec<Surface> {
    let mut all = vec![hosted_pages(), account_api(), documents()];
    if demo {
        all.push(demo_pages());
    }
    all
}

fn hosted_pages() -> Surface {
    Surface::new(RouteKind::Page)
        .route("/", get(demo::root))
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route(
            "/sign-in/choose",
            get(browser::choose).post(browser::chosen),
        )
        .route("/sign-up", get(sign_up::show).post(sign_up::submit))
        .route("/sign-up/sent", get(sign_up::sent).post(sign_up::code))
        .route("/sign-out", post(sign_out::submit))
        .route("/verify-email", get(verify::told).post(verify::answer))
        .route(
            "/verify-email/{token}",
            get(verify::show).post(verify::confirm),
        )
        .route("/forgot-password", get(forgot::ask).post(forgot::send))
        .route(
            "/forgot-password/sent",
            get(forgot::sent).post(forgot::code),
        )
        .route(
            "/reset-password/{token}",
            get(forgot::show).post(forgot::reset),
        )
        .route(
            "/invitation/{token}",
            get(invitation::show).post(invitation::accept),
        )
        .route("/onboarding", get(onboarding::show).post(onboarding::save))
        .route("/account", get(account::show))
        .route(
            "/account/profile",
            get(account::back).post(account::save_profile),
        )
        .route(
            "/account/password",
            get(account::back).post(account::change_password),
        )
        .route(
            "/account/sessions",
            get(account::back).post(account::end_sessions),
        )
        .route("/account/export", get(account::back).post(leaving::export))
        .route("/account/delete", get(account::back).post(leaving::delete))
        .route("/account/keep", get(leaving::ask_keep).post(leaving::keep))
        .route("/account/email", get(account::back).post(email_change::ask))
        .route(
            "/account/email/{token}",
            get(email_change::show).post(email_change::answer),
        )
}

/// What a proxy may ask with: the method that its client used, except those that are made for proxies themselves.
const QUESTIONS: MethodFilter = MethodFilter::GET
    .or(MethodFilter::HEAD)
    .or(MethodFilter::POST)
    .or(MethodFilter::PUT)
    .or(MethodFilter::PATCH)
    .or(MethodFilter::DELETE)
    .or(MethodFilter::OPTIONS);

fn account_api() -> Surface {
    Surface::new(RouteKind::Account)
        .route("/account/v1/session", get(native::session))
        .route(
            "/account/v1/profile",
            get(native::profile).patch(native::change_profile),
        )
        .route("/account/v1/sessions", get(native::sessions))
        .route("/account/v1/sessions/{id}", delete(native::end_session))
        .route("/account/v1/sign-ins", get(native::sign_ins))
        .route(
            "/account/v1/email",
            get(native::email)
                .post(native::change_email)
                .delete(native::cancel_email_change),
        )
        .route("/account/v1/export", post(native::export))
        .route(
            "/account/v1/deletion",
            post(native::ask_deletion).delete(native::keep_account),
        )
        .route("/account/v1/teams", get(native::teams))
        .route("/forward-auth", on(QUESTIONS, native::forward_auth))
}

fn documents() -> Surface {
    Surface::new(RouteKind::Document)
        .route("/.well-known/jwks.json", get(well_known::jwks))
        .route(
            "/.well-known/openid-configuration",
            get(well_known::discovery),
        )
        .route("/health/live", get(well_known::live))
        .route("/health/ready", get(well_known::ready))
        .route("/robots.txt", get(well_known::robots))
        .route("/favicon.ico", get(well_known::favicon))
        .route("/assets/{hash}/{name}", get(well_known::asset))
        .route("/captcha/challenge", get(captcha::challenge))
}

fn demo_pages() -> Surface {
    Surface::new(RouteKind::Demo)
        .route("/dev/inbox", get(inbox::show))
        .route("/demo/partner", post(demo::partner))
}

/// `/metrics` for a listener of its own, which should not be public.
pub fn metrics_router(app: App) -> Router {
    Router::new()
        .route("/metrics", get(expose))
        .with_state(app.settings.metrics)
}

async fn expose(State(metrics): State<Metrics>) -> Response {
    let Ok(text) = metrics.expose() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    (
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        text,
    )
        .into_response()
}
