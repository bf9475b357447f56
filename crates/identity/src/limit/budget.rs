//! Budgets that outlive a restart, and whose budget a guess at a password is counted towards.

use vestibule_db::Tx;

use super::{
    Charge, Limit, SIGN_IN_ACCOUNT, SIGN_IN_ADDRESS, SIGN_IN_TENANT, Seen, address_block,
    address_key, store,
};
use crate::Identity;
use crate::context::{Client, Cx};
use crate::email::Email;
use crate::error::Result;
use crate::ports::Micros;
use crate::{password, session};

/// One key's count under a limit that the database keeps as well.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    limit: Limit,
    key: String,
    digest: [u8; 32],
    seen: Option<Seen>,
}

impl Budget {
    pub(crate) fn new(identity: &Identity, limit: Limit, key: String) -> Budget {
        let parts = [limit.name.as_bytes(), key.as_bytes()];
        Budget {
            digest: identity.sealer().mac("limit", &parts),
            limit,
            key,
            seen: None,
        }
    }

    /// Reads what the database has counted.
    pub(crate) fn read(mut self, tx: &mut Tx<'_>, tenant: &str) -> Result<Budget> {
        self.seen = store::find(tx, tenant, &self.digest)?;
        Ok(self)
    }

    /// Counts one that failed, in the rows of that tenant.
    pub(crate) fn count(&self, tx: &mut Tx<'_>, tenant: &str, now: Micros) -> Result<()> {
        store::count(tx, (tenant, &self.digest), now, now - self.limit.span)
    }
}

/// How a client is known to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// By a cookie that only a sign-in to the account sets.
    Device,
    /// By its address, from which the account signed in.
    Address,
    No,
}

/// Whose budget a guess is counted towards. An owner who is known does not share one with strangers, so that their
/// guesses do not shut the owner out.
#[derive(Clone, Debug)]
pub(crate) struct Guess {
    pub(crate) budget: Budget,
    known: Known,
}

impl Guess {
    /// The same statements whether or not there is such an account; `account` is empty when there is none.
    pub(crate) fn of(
        tx: &mut Tx<'_>,
        identity: &Identity,
        who: (&str, &Client),
        email: &Email,
        account: &str,
    ) -> Result<Guess> {
        let (tenant, client) = who;
        let block = client.address.map(address_block).unwrap_or_default();
        let device = client.device.as_ref();
        let password_of = password::store::changed_at(tx, tenant, account)?;
        // With an earlier password somebody else may have signed in.
        let since = password_of.unwrap_or(Micros(0));
        let seen_before = session::store::is_known_block(tx, tenant, account, (&block, since))?;
        let of = (tenant, account);
        let device = device.filter(|device| device.knows(identity, of, password_of));
        let (known, from) = match (device, seen_before) {
            (Some(device), _) => (Known::Device, format!("/device/{}", device.name())),
            (None, true) => (Known::Address, format!("/address/{block}")),
            (None, false) => (Known::No, String::new()),
        };
        let key = format!("{tenant}/{}{from}", email.canonical());
        let budget = Budget::new(identity, SIGN_IN_ACCOUNT, key).read(tx, tenant)?;
        Ok(Guess { budget, known })
    }

    /// Whether a cookie says that the account signed in with this browser before.
    pub(crate) fn knows_device(&self) -> bool {
        self.known == Known::Device
    }

    /// Whether the account signed in from here before.
    pub(crate) fn is_known(&self) -> bool {
        self.known != Known::No
    }
}

impl Identity {
    /// Counts a guess towards all that bound it, before the password is looked at.
    pub(crate) fn charge_guess(&self, cx: &Cx, guess: &Guess) -> Result<Charge> {
        let address = address_key(&cx.tenant.id, &cx.client);
        let mut further = Vec::new();
        if guess.known != Known::Device {
            further.push((SIGN_IN_ADDRESS, &*address));
        }
        if guess.known == Known::No {
            further.push((SIGN_IN_TENANT, &*cx.tenant.id));
        }
        self.charge(&guess.budget, &further, cx.now)
    }

    /// Counts one towards the budget and further limits.
    pub(crate) fn charge(
        &self,
        budget: &Budget,
        further: &[(Limit, &str)],
        now: Micros,
    ) -> Result<Charge> {
        if let Some(seen) = budget.seen {
            self.limits().learn(budget.limit, &budget.key, seen, now);
        }
        let own = (budget.limit, &*budget.key);
        self.limits().take(&[&[own], further].concat(), now)
    }
}
