//! A browser in which people signed in before, as a sealed cookie names it. It opens nothing: it only keeps its owner's
//! budget of wrong passwords apart from that of strangers.

use crate::Identity;
use crate::account::Account;
use crate::ports::Micros;
use crate::tenant::Tenant;

const ID: usize = 16;
const PERSON: usize = 16;
/// A person, and the microsecond of the sign-in.
const ENTRY: usize = PERSON + 8;
/// Of so many people the last sign-ins are remembered.
const MOST_PEOPLE: usize = 4;

/// A browser that its tenant has seen.
#[derive(Clone, Debug)]
pub struct Device {
    id: [u8; ID],
    /// The latest first.
    people: Vec<[u8; ENTRY]>,
}

fn context(tenant: &str) -> String {
    format!("device of tenant {tenant}")
}

fn person(identity: &Identity, tenant: &str, account: &str) -> [u8; PERSON] {
    let parts = [tenant.as_bytes(), account.as_bytes()];
    let mac = identity.sealer().mac("device", &parts);
    let mut short = [0; PERSON];
    short.copy_from_slice(&mac[..PERSON]);
    short
}

impl Device {
    /// Whether the account signed in here and its password is still the one of then: whoever knew an earlier one has no
    /// further tries for it.
    pub(crate) fn knows(
        &self,
        identity: &Identity,
        (tenant, account): (&str, &str),
        password_of: Option<Micros>,
    ) -> bool {
        let wanted = person(identity, tenant, account);
        let entry = self
            .people
            .iter()
            .filter_map(|entry| entry.split_first_chunk());
        let mut known = entry.filter(|(person, _)| **person == wanted);
        known.any(|(_, at)| {
            let at = at.first_chunk().map(|at| Micros(i64::from_be_bytes(*at)));
            at >= password_of
        })
    }

    /// 32 hexadecimal digits.
    pub(crate) fn name(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.id))
    }
}

impl Identity {
    /// The device that the opened cookie names; `None` unless this tenant sealed it.
    pub fn open_device(&self, tenant: &Tenant, sealed: &[u8]) -> Option<Device> {
        let plain = self.sealer().open(&context(&tenant.id), sealed).ok()?;
        let (id, people) = plain.split_first_chunk::<ID>()?;
        let (people, []) = people.as_chunks::<ENTRY>() else {
            return None;
        };
        Some(Device {
            id: *id,
            people: people.to_vec(),
        })
    }

    /// What the cookie of a browser holds after this person signed in there, sealed.
    pub fn seal_device(
        &self,
        tenant: &Tenant,
        device: Option<&Device>,
        account: &Account,
    ) -> Vec<u8> {
        let newest = person(self, &tenant.id, &account.id);
        let id = device.map_or_else(|| fresh_id(self), |device| device.id);
        let others = device.map_or(&[][..], |device| &device.people);
        let others = others.iter().filter(|other| !other.starts_with(&newest));
        let mut plain = id.to_vec();
        plain.extend_from_slice(&newest);
        plain.extend_from_slice(&self.now().0.to_be_bytes());
        for entry in others.take(MOST_PEOPLE - 1) {
            plain.extend_from_slice(entry);
        }
        self.sealer().seal(&context(&tenant.id), &plain)
    }
}

fn fresh_id(identity: &Identity) -> [u8; ID] {
    vestibule_crypto::secret_bytes(identity.random())
}
