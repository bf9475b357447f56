//! The tenants in memory, by host, slug and id.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use url::Url;
use vestibule_db::Db;

use super::rules::canonical_host;
use super::store::{self, TenantRow};
use super::{Tenant, TenantFile};
use crate::audit::AuditKey;
use crate::error::{Error, Result};

#[derive(Default)]
struct Book {
    version: i64,
    /// Which reading of the catalogue this is.
    reading: u64,
    by_host: HashMap<String, Arc<Tenant>>,
    by_slug: HashMap<String, Arc<Tenant>>,
    by_id: HashMap<String, Arc<Tenant>>,
    by_number: HashMap<i64, Arc<Tenant>>,
    /// The stored settings of each tenant, by id.
    settings: HashMap<String, String>,
    /// The only tenant, when it lists no domain: it answers for any host.
    only: Option<Arc<Tenant>>,
}

/// Finds tenants without the database; a miss looks whether the catalogue has changed.
pub struct Directory {
    db: Db,
    public_url: Option<Url>,
    audit_key: AuditKey,
    book: RwLock<Arc<Book>>,
    readings: AtomicU64,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directory(version {})", self.book.read().version)
    }
}

impl Directory {
    pub(crate) fn new(db: Db, public_url: Option<Url>, audit_key: AuditKey) -> Directory {
        Directory {
            db,
            public_url,
            audit_key,
            book: RwLock::default(),
            readings: AtomicU64::new(0),
        }
    }

    fn book(&self) -> Arc<Book> {
        self.book.read().clone()
    }

    /// The catalogue's version that is held.
    pub(crate) fn version(&self) -> i64 {
        self.book().version
    }

    /// The tenant that a request's host leads to; `host` without a port.
    pub async fn by_host(&self, host: &str) -> Result<Option<Arc<Tenant>>> {
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
        self.refresh().await?;
        Ok(look(&self.book()))
    }

    /// Reads the catalogue anew if it has changed; answers whether it had.
    pub async fn refresh(&self) -> Result<bool> {
        let held = self.book().version;
        let reading = self.readings.fetch_add(1, Ordering::Relaxed) + 1;
        let rows = self
            .db
            .read(move |tx| {
                let version = store::catalog_version(tx)?;
                if version == held {
                    return Ok::<_, Error>(None);
                }
                Ok(Some((version, store::all(tx)?)))
            })
            .await?;
        let Some((version, rows)) = rows else {
            return Ok(false);
        };
        let mut book = Book {
            version,
            reading,
            ..Book::default()
        };
        let old = self.book();
        for row in rows {
            // Of thousands of tenants few have changed.
            let same = old.settings.get(&row.id) == Some(&row.settings);
            let known = old.by_id.get(&row.id).filter(|_| same).cloned();
            book.settings.insert(row.id.clone(), row.settings.clone());
            let tenant = match known {
                Some(tenant) => tenant,
                None => Arc::new(self.compile(row)?),
            };
            for domain in &tenant.file.domains {
                book.by_host
                    .extend(canonical_host(domain).map(|host| (host, tenant.clone())));
            }
            book.by_slug
                .insert(tenant.slug().to_owned(), tenant.clone());
            book.by_number.insert(tenant.number, tenant.clone());
            book.by_id.insert(tenant.id.clone(), tenant);
        }
        let mut tenants = book.by_id.values();
        book.only = match (tenants.next(), tenants.next()) {
            (Some(tenant), None) if tenant.file.domains.is_empty() => Some(tenant.clone()),
            _ => None,
        };
        let mut current = self.book.write();
        // Not by version: a standby that was promoted may be behind what was held.
        if current.reading < reading {
            *current = Arc::new(book);
        }
        Ok(true)
    }

    pub(crate) fn compile(&self, row: TenantRow) -> Result<Tenant> {
        let file: TenantFile = serde_json::from_str(&row.settings).map_err(Error::internal)?;
        let base_url = self.base_url(&file)?;
        Ok(Tenant {
            id: row.id,
            number: row.number,
            file,
            base_url,
            audit_key: self.audit_key.clone(),
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
