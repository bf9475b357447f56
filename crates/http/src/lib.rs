//! HTTP for Vestibule: layers, dialect routes, hosted pages, the signed-in person's API, and the mails' texts.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod agent;
mod brand;
mod browser;
mod cookie;
mod csrf;
mod demo;
mod device;
mod dialect;
mod extract;
mod fault;
mod flow;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod inbox;
mod language;
mod layers;
mod listener;
pub mod mail;
mod metrics;
mod moment;
mod native;
mod pages;
mod personal;
mod redirect;
mod router;
mod settings;
mod shared;
mod site;
mod templates;
mod views;
mod well_known;

pub use ipnet::IpNet;
pub use listener::Listener;
pub use metrics::Metrics;
pub use router::{FrontDoor, RouteKind, metrics_router, routes};
pub use settings::{App, Demo, DemoPerson, DemoTenant, HttpSettings};
pub use templates::own::{TextFault, check as check_texts};
pub use templates::replaced::check as check_templates;
