//! The tenants in memory, by host, slug and id.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use url::Url;
use vestibule_db::{Db, Tx};

use super::rules::canonical_host;
use super::store::{self, TenantRow};
use super::{Templates, Tenant, TenantFile, stored};
use crate::Parts;
use crate::audit::AuditKey;
use crate::error::{Error, Result};
use crate::ports::Micros;

/// More changed tenants than this are read all at once.
const ONE_BY_ONE: usize = 100;

/// The catalogue's version, and each tenant's mark: what tells that it or its keys have changed.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) version: i64,
    marks: Arc<HashMap<String, Micros>>,
}

impl Seen {
    /// The tenants that have changed or gone since `earlier`; `None` where that cannot be told. Each change that marks a
    /// tenant is one step of the version: more steps than tenants may be changes that an older program made unmarked.
    pub(crate) fn changed_since(&self, earlier: &Seen) -> Option<Vec<String>> {
        let changed = differing(&self.marks, &earlier.marks);
        let steps = self.version.checked_sub(earlier.version)?;
        (usize::try_from(steps) == Ok(changed.len())).then_some(changed)
    }
}

/// The tenants whose marks are not the same in both.
fn differing(new: &HashMap<String, Micros>, old: &HashMap<String, Micros>) -> Vec<String> {
    let changed = new.iter().filter(|(id, mark)| old.get(*id) != Some(mark));
    let gone = old.iter().filter(|(id, _)| !new.contains_key(*id));
    changed.chain(gone).map(|(id, _)| id.clone()).collect()
}

#[derive(Clone, Default)]
struct Book {
    seen: Seen,
    /// Which reading of the catalogue this is.
    reading: u64,
    /// Asked for each request; nobody outside chooses what it holds.
    by_host: foldhash::HashMap<String, Arc<Tenant>>,
    by_slug: HashMap<String, Arc<Tenant>>,
    by_id: HashMap<String, Arc<Tenant>>,
    by_number: HashMap<i64, Arc<Tenant>>,
    /// The only tenant, when it lists no domain: it answers for any host.
    only: Option<Arc<Tenant>>,
}

impl Book {
    fn remove(&mut self, id: &str) {
        if let Some(tenant) = self.by_id.remove(id) {
            for host in hosts(&tenant) {
                self.by_host.remove(&host);
            }
            self.by_slug.remove(tenant.slug());
            self.by_number.remove(&tenant.number);
        }
    }

    fn add(&mut self, tenant: Arc<Tenant>) {
        let hosts = hosts(&tenant).map(|host| (host, tenant.clone()));
        self.by_host.extend(hosts);
        self.by_slug
            .insert(tenant.slug().to_owned(), tenant.clone());
        self.by_number.insert(tenant.number, tenant.clone());
        self.by_id.insert(tenant.id.clone(), tenant);
    }

    /// Of several tenants none answers for any host, whether or not all can be read.
    fn find_only(&mut self) {
        let only = self.by_id.values().next();
        let only = only.filter(|tenant| tenant.file.domains.is_empty());
        self.only = only.filter(|_| self.seen.marks.len() == 1).cloned();
    }
}

fn hosts(tenant: &Tenant) -> impl Iterator<Item = String> {
    let domains = tenant.file.domains.iter();
    domains.filter_map(|domain| canonical_host(domain))
}

/// The tenants of these that are there, by id.
fn rows(tx: &mut Tx<'_>, ids: &[String]) -> Result<HashMap<String, TenantRow>> {
    let mut rows = HashMap::new();
    if ids.len() > ONE_BY_ONE {
        let all = store::all(tx)?.into_iter();
        rows.extend(all.map(|row| (row.id.clone(), row)));
    } else {
        for id in ids {
            rows.extend(store::by_id(tx, id)?.map(|row| (id.clone(), row)));
        }
    }
    Ok(rows)
}

/// Finds tenants without the database; a miss looks whether the catalogue has changed.
pub struct Directory {
    db: Db,
    public_url: Option<Url>,
    audit_key: AuditKey,
    operator_templates: Arc<Templates>,
    book: RwLock<Arc<Book>>,
    readings: AtomicU64,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directory(version {})", self.version())
    }
}

impl Directory {
    pub(crate) fn new(parts: &Parts, audit_key: AuditKey) -> Directory {
        Directory {
            db: parts.db.clone(),
            public_url: parts.public_url.clone(),
            audit_key,
            operator_templates: parts.operator_templates.clone(),
            book: RwLock::default(),
            readings: AtomicU64::new(0),
        }
    }

    fn book(&self) -> Arc<Book> {
        self.book.read().clone()
    }

    /// The catalogue's version that is held: another one after each change of a tenant or its keys.
    pub fn version(&self) -> i64 {
        self.book().seen.version
    }

    pub(crate) fn seen(&self) -> Seen {
        self.book().seen.clone()
    }

    /// The tenant that a request's host leads to; `host` without a port.
    pub async fn by_host(&self, host: &str) -> Result<Option<Arc<Tenant>>> {
        // Nearly every client spells it as it is kept.
        if let Some(found) = self.book.read().by_host.get(host) {
            return Ok(Some(found.clone()));
        }
        let host = canonical_host(host);
        self.find(|book| {
            host.as_ref()
                .and_then(|host| book.by_host.get(host))
                .or(book.only.as_ref())
                .cloned()
        })
        .await
    }

    /// The tenant that lists this domain.
    pub async fn by_domain(&self, domain: &str) -> Result<Option<Arc<Tenant>>> {
        let Some(host) = canonical_host(domain.trim()) else {
            return Ok(None);
        };
        self.find(|book| book.by_host.get(&host).cloned()).await
    }

    pub async fn by_slug(&self, slug: &str) -> Result<Option<Arc<Tenant>>> {
        self.find(|book| book.by_slug.get(slug).cloned()).await
    }

    pub async fn by_id(&self, id: &str) -> Result<Option<Arc<Tenant>>> {
        self.find(|book| book.by_id.get(id).cloned()).await
    }

    pub async fn by_number(&self, number: i64) -> Result<Option<Arc<Tenant>>> {
        self.find(|book| book.by_number.get(&number).cloned()).await
    }

    /// Every tenant, by number.
    pub async fn all(&self) -> Result<Vec<Arc<Tenant>>> {
        self.refresh().await?;
        let mut tenants: Vec<_> = self.book().by_id.values().cloned().collect();
        tenants.sort_by_key(|tenant| tenant.number);
        Ok(tenants)
    }

    async fn find(
        &self,
        look: impl Fn(&Book) -> Option<Arc<Tenant>>,
    ) -> Result<Option<Arc<Tenant>>> {
        if let Some(found) = look(&self.book()) {
            return Ok(Some(found));
        }
        // Rare, and large: whoever asks would carry it.
        Box::pin(self.refresh()).await?;
        Ok(look(&self.book()))
    }

    /// Reads what has changed of the catalogue; answers whether anything had.
    pub async fn refresh(&self) -> Result<bool> {
        let reading = self.readings.fetch_add(1, Ordering::Relaxed) + 1;
        let old = self.book();
        let held = old.seen.clone();
        let read = self
            .db
            .read(move |tx| {
                let version = store::catalog_version(tx)?;
                if version == held.version {
                    return Ok::<_, Error>(None);
                }
                let marks = store::marks(tx)?;
                let changed = differing(&marks, &held.marks);
                let rows = rows(tx, &changed)?;
                let marks = Arc::new(marks);
                Ok(Some((Seen { version, marks }, changed, rows)))
            })
            .await?;
        let Some((seen, changed, mut rows)) = read else {
            return Ok(false);
        };
        let mut book = Book {
            seen,
            reading,
            ..(*old).clone()
        };
        let mut now: HashMap<String, Arc<Tenant>> = HashMap::new();
        for id in &changed {
            if let Some(row) = rows.remove(id) {
                let number = row.number;
                match self.compile(row) {
                    Ok(tenant) => drop(now.insert(id.clone(), Arc::new(tenant))),
                    // The others must not suffer from it, and nobody is served by half of its settings.
                    Err(error) => {
                        tracing::error!(tenant = number, error = ?error, "a tenant's settings cannot be read: this program goes on with those that it holds, if any");
                        now.extend(old.by_id.get(id).map(|held| (id.clone(), held.clone())));
                    }
                }
            }
            book.remove(id);
        }
        now.into_values().for_each(|tenant| book.add(tenant));
        book.find_only();
        let mut current = self.book.write();
        // Not by version: a standby that was promoted may be behind what was held.
        if current.reading < reading {
            *current = Arc::new(book);
        }
        Ok(true)
    }

    pub(crate) fn compile(&self, row: TenantRow) -> Result<Tenant> {
        let file = stored::read(&row.settings).map_err(Error::internal)?;
        let base_url = self.base_url(&file)?;
        Ok(Tenant {
            id: row.id,
            number: row.number,
            file,
            base_url,
            audit_key: self.audit_key.clone(),
            operator_templates: self.operator_templates.clone(),
        })
    }

    /// The tenant's first domain under the public URL's scheme and port; https without one.
    fn base_url(&self, file: &TenantFile) -> Result<Url> {
        let mut url = match &self.public_url {
            Some(url) => url.clone(),
            None => Url::parse("https://localhost/").map_err(Error::internal)?,
        };
        url.set_path("/");
        url.set_query(None);
        url.set_fragment(None);
        if let Some(host) = file
            .domains
            .first()
            .and_then(|domain| canonical_host(domain))
        {
            let host = if host.contains(':') {
                format!("[{host}]")
            } else {
                host
            };
            url.set_host(Some(&host)).map_err(Error::internal)?;
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(version: i64, marks: &[(&str, i64)]) -> Seen {
        let marks = marks.iter().map(|(id, at)| ((*id).to_owned(), Micros(*at)));
        Seen {
            version,
            marks: Arc::new(marks.collect()),
        }
    }

    #[test]
    fn only_marked_changes_are_told_by_the_marks() {
        let before = seen(7, &[("a", 1), ("b", 1), ("c", 1)]);
        for (version, marks, told) in [
            (7, &[("a", 1), ("b", 1), ("c", 1)][..], Some(&[][..])),
            (8, &[("a", 1), ("b", 2), ("c", 1)], Some(&["b"])),
            (9, &[("a", 0), ("b", 2), ("c", 1)], Some(&["a", "b"])),
            (8, &[("a", 1), ("b", 1)], Some(&["c"])),
            (8, &[("a", 1), ("b", 1), ("c", 1), ("d", 1)], Some(&["d"])),
            // A step without a mark: whatever it was, nothing is left out.
            (8, &[("a", 1), ("b", 1), ("c", 1)], None),
            (9, &[("a", 1), ("b", 2), ("c", 1)], None),
            // Behind what was held: another primary.
            (6, &[("a", 1), ("b", 0), ("c", 1)], None),
        ] {
            let changed = seen(version, marks).changed_since(&before);
            let changed = changed.map(|mut ids| {
                ids.sort();
                ids
            });
            let told = told.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
            assert_eq!(changed, told, "{version} {marks:?}");
        }
    }
}
