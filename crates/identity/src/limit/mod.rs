//! Bounds on how often something may be tried: one table, counted in windows, the same for every dialect and page.

mod admission;
mod budget;
mod device;
pub(crate) mod store;
mod windows;

pub use admission::Door;
pub(crate) use budget::{Budget, Guess};
pub use device::Device;
pub use windows::Limits;
pub(crate) use windows::{Charge, Seen};

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::context::{Client, Cx};
use crate::email::Email;

/// Where a limit is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// By each node in its memory: a restart forgets it, several nodes multiply it.
    Node,
    /// In memory, so that parallel tries are counted before they end, and each failure in the database too: it outlives
    /// restarts and holds across nodes, but for what they try at the very same moment.
    Both,
    /// In the database, exactly.
    Database,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Place::Node => "node",
            Place::Both => "node and database",
            Place::Database => "database",
        }
    }
}

/// So many within a span, for each key.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// What settings call it.
    pub name: &'static str,
    /// What is counted.
    pub counts: &'static str,
    /// What has a count of its own.
    pub by: &'static str,
    /// How many pass, unless the settings say otherwise.
    pub most: u32,
    /// The window: it opens with the first that is counted.
    pub span: Duration,
    pub place: Place,
}

const MINUTE: Duration = Duration::from_secs(60);
const QUARTER: Duration = Duration::from_secs(900);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// No window is longer.
pub(crate) const LONGEST: Duration = DAY;

macro_rules! limits {
    ($($id:ident = $name:literal: $most:literal in $span:ident, $place:ident, $counts:literal by $by:literal;)+) => {
        $(pub(crate) const $id: Limit = Limit {
            name: $name, counts: $counts, by: $by, most: $most, span: $span, place: Place::$place,
        };)+

        /// Every limit, in the order of the documentation.
        pub const TABLE: &[Limit] = &[$($id),+];
    };
}

limits! {
    SIGN_IN_ACCOUNT = "sign_in_account": 50 in QUARTER, Both,
        "wrong passwords" by "e-mail address and tenant, known or not; a device or client address that the account signed in from has a count of its own";
    SIGN_IN_ADDRESS = "sign_in_address": 300 in QUARTER, Node,
        "wrong passwords" by "client address and tenant; devices that the account signed in from are not counted";
    SIGN_IN_TENANT = "sign_in_tenant": 20000 in QUARTER, Node,
        "wrong passwords" by "tenant; devices and client addresses that the account signed in from are not counted";
    PASSWORD_CHANGE = "password_change": 50 in QUARTER, Both,
        "wrong passwords where a signed-in person has to prove it is them, or whoever follows the link of a sign-up elsewhere" by "account and sign-in, or link";
    SIGN_UP_ADDRESS = "sign_up_address": 100 in HOUR, Node,
        "sign-ups, also refused ones" by "client address and tenant";
    SIGN_UP_EMAIL = "sign_up_email": 10 in HOUR, Node,
        "sign-ups that mailed: one address, again and again" by "e-mail address and tenant";
    SIGN_UP_TENANT = "sign_up_tenant": 10000 in HOUR, Node,
        "sign-ups, also refused ones" by "tenant";
    FORGOT_ACCOUNT = "forgot_account": 20 in HOUR, Node,
        "requests for a new password" by "e-mail address and tenant, known or not; callers that prove themselves have a count of their own";
    FORGOT_ADDRESS = "forgot_address": 100 in HOUR, Node,
        "requests for a new password without proof" by "client address and tenant";
    RESET_MAILS = "reset_mails": 5 in HOUR, Database,
        "mails with a reset link; beyond, the answer is the same and no mail goes out" by "account";
    VERIFICATION_MAIL_PAUSE = "verification_mail_pause": 1 in MINUTE, Database,
        "mails to confirm an address, that of the sign-up included" by "account";
    VERIFICATION_MAILS = "verification_mails": 5 in HOUR, Database,
        "mails to confirm an address, that of the sign-up included" by "account";
    CODE_TRIES = "code_tries": 5 in HOUR, Database,
        "tries of a mailed code, however they end; beyond, the code is dead, also one that lives longer than an hour" by "mailed code";
    CODES_ACCOUNT = "codes_account": 20 in DAY, Both,
        "wrong mailed codes; links still work" by "e-mail address (confirming one: account) and tenant, known or not";
    CODES_ADDRESS = "codes_address": 100 in HOUR, Node,
        "wrong mailed codes; links still work" by "client address and tenant";
    CODES_TENANT = "codes_tenant": 1000 in HOUR, Node,
        "wrong mailed codes; links still work" by "tenant";
    EMAIL_CHANGES = "email_changes": 5 in HOUR, Database,
        "changes of the e-mail address that were asked for" by "account";
    EMAIL_CHANGE_ADDRESS = "email_change_address": 30 in HOUR, Node,
        "changes of the e-mail address that were asked for" by "client address and tenant";
    EMAIL_CHANGE_MAILS = "email_change_mails": 5 in HOUR, Node,
        "changes of the e-mail address that were asked for" by "new e-mail address and tenant";
    EMAIL_EXISTS = "email_exists": 30 in MINUTE, Node,
        "questions whether an address is registered" by "client address and tenant";
    BAD_TOKENS = "bad_tokens": 1000 in QUARTER, Node,
        "refused links, reset, refresh, login and ID tokens, private keys and captcha answers; beyond, good ones still pass, captcha answers excepted" by "client address and tenant";
    WRONG_UID_ACCOUNT = "wrong_uid_account": 10 in QUARTER, Node,
        "wrong partner secrets" by "account";
    WRONG_UID_KEY = "wrong_uid_key": 300 in QUARTER, Node,
        "wrong partner secrets; beyond, the key is refused altogether" by "private key";
}

/// The table as the documentation prints it.
pub fn markdown() -> String {
    let mut text = String::from(
        "| Limit | Number | Window | Counts | By | Counted in |\n|---|---|---|---|---|---|\n",
    );
    for limit in TABLE {
        let (name, most, span) = (limit.name, limit.most, crate::Span(limit.span));
        let (counts, by, place) = (limit.counts, limit.by, limit.place.name());
        text.push_str(&format!(
            "| `{name}` | {most} | {span} | {counts} | {by} | {place} |\n"
        ));
    }
    text
}

/// The numbers that an operator changed, by the limits' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(BTreeMap<&'static str, u32>);

impl Numbers {
    /// Answers false when there is no limit of that name.
    pub fn set(&mut self, name: &str, most: u32) -> bool {
        let known = TABLE.iter().find(|limit| limit.name == name);
        if let Some(limit) = known {
            self.0.insert(limit.name, most);
        }
        known.is_some()
    }

    pub(crate) fn most(&self, limit: Limit) -> u32 {
        self.0.get(limit.name).copied().unwrap_or(limit.most)
    }
}

/// One address in one tenant, however it is spelt.
pub(crate) fn email_key(cx: &Cx, email: &Email) -> String {
    format!("{}/{}", cx.tenant.id, email.canonical())
}

/// Stands for a tenant's id where nothing names one.
pub(crate) const ANYWHERE: &str = "anywhere";

/// The client's block in one tenant.
pub(crate) fn address_key(tenant: &str, client: &Client) -> String {
    let block = client.address.map(address_block);
    format!("{tenant}/{}", block.as_deref().unwrap_or("unknown"))
}

/// What one client may be taken to own: an IPv4 address, or the /64 of an IPv6 one.
pub fn address_block(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
