//! The tables of one statement, each pinned at one version.
//!
//! Promises: within a statement a name is always the same snapshot, in joins,
//! subqueries and views alike. The engine sees one catalog with one schema;
//! nothing can be registered in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::error::Result as EngineResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use downlake_lake::log::VersionAsked;
use downlake_lake::{Error, ErrorKind, Result};
use tokio::sync::Mutex;

use crate::catalog::Catalog;
use crate::error::{not_found, to_engine};
use crate::file_table::FileTable;
use crate::provider::LakeTable;
use crate::resolve::{QuotedNames, Referent};

/// The name of the only catalog.
pub(crate) const CATALOG: &str = "lake";
/// The name of the only schema beside `information_schema`.
pub(crate) const SCHEMA: &str = "public";

/// The tables that a statement has named so far.
pub(crate) struct Pinned {
    catalog: Arc<dyn Catalog>,
    url: ObjectStoreUrl,
    views: BTreeSet<String>,
    tables: Mutex<BTreeMap<String, Pin>>,
    listed: std::sync::OnceLock<Vec<String>>,
}

/// A table under the name it has in the rewritten statement.
#[derive(Clone)]
struct Pin {
    provider: Arc<dyn TableProvider>,
    quoted_names: BTreeMap<String, String>,
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned")
            .field("catalog", &self.catalog)
            .finish_non_exhaustive()
    }
}

impl Pinned {
    pub(crate) fn new(
        catalog: Arc<dyn Catalog>,
        url: ObjectStoreUrl,
        views: BTreeSet<String>,
    ) -> Self {
        Pinned {
            catalog,
            url,
            views,
            tables: Mutex::default(),
            listed: std::sync::OnceLock::new(),
        }
    }

    /// Lists the lake's tables, for statements that ask which there are.
    pub(crate) async fn list(&self) -> Result<()> {
        let mut names = self.catalog.table_names().await?;
        names.extend(self.views.iter().cloned());
        names.sort_unstable();
        names.dedup();
        let _already_listed = self.listed.set(names);
        Ok(())
    }

    /// Pins what a name of the statement stands for.
    pub(crate) async fn pin(&self, name: &str, referent: &Referent) -> Result<()> {
        let mut tables = self.tables.lock().await;
        if tables.contains_key(name) {
            return Ok(());
        }
        let pin = match referent {
            Referent::Newest(table) => self.table(table, VersionAsked::Latest).await?,
            Referent::At(table, version) => self.table(table, *version).await?,
            Referent::File(path) => self.file(path).await?,
        };
        tables.insert(name.to_owned(), pin);
        Ok(())
    }

    /// Pins a view by the provider of its plan.
    pub(crate) async fn pin_view(&self, name: &str, provider: Arc<dyn TableProvider>) {
        let pin = Pin {
            provider,
            quoted_names: BTreeMap::new(),
        };
        self.tables.lock().await.insert(name.to_owned(), pin);
    }

    /// Whether the name is pinned already.
    pub(crate) async fn contains(&self, name: &str) -> bool {
        self.tables.lock().await.contains_key(name)
    }

    /// The schema of a table that is pinned.
    pub(crate) async fn schema_of(&self, name: &str) -> Result<SchemaRef> {
        let tables = self.tables.lock().await;
        let pin = tables
            .get(name)
            .ok_or_else(|| Error::internal(format!("table {name} is not pinned")))?;
        Ok(pin.provider.schema())
    }

    /// The source names of every pinned table.
    pub(crate) async fn quoted_names(&self) -> QuotedNames {
        let tables = self.tables.lock().await;
        tables
            .iter()
            .map(|(name, pin)| (name.clone(), pin.quoted_names.clone()))
            .collect()
    }

    async fn table(&self, name: &str, version: VersionAsked) -> Result<Pin> {
        if self.views.contains(name) {
            return Err(Error::invalid(format!(
                "sql: {name} is a view and has no versions: ask for versions inside it"
            )));
        }
        let Some(table) = self.catalog.table(name, version).await? else {
            return Err(self.no_table(name).await?);
        };
        let schema = Arc::clone(&table.snapshot.schema);
        let mut quoted_names = table.quoted_names.clone();
        quoted_names.retain(|source, _| schema.field_with_name(source).is_err());
        let provider = Arc::new(LakeTable::try_new(table, self.url.clone())?);
        Ok(Pin {
            provider,
            quoted_names,
        })
    }

    async fn file(&self, path: &str) -> Result<Pin> {
        let Some(rows) = self.catalog.file(path).await? else {
            return Err(Error::not_found(format!("no file '{path}'")));
        };
        let provider = Arc::new(FileTable::new(
            Arc::clone(&self.catalog),
            path.to_owned(),
            rows,
        ));
        Ok(Pin {
            provider,
            quoted_names: BTreeMap::new(),
        })
    }

    async fn no_table(&self, name: &str) -> Result<Error> {
        let names = self.catalog.table_names().await?;
        let known = names.iter().chain(&self.views).map(String::as_str);
        Ok(not_found("table", name, known))
    }
}

#[async_trait]
impl SchemaProvider for Pinned {
    fn table_names(&self) -> Vec<String> {
        self.listed.get().cloned().unwrap_or_default()
    }

    async fn table(&self, name: &str) -> EngineResult<Option<Arc<dyn TableProvider>>> {
        if !self.contains(name).await && self.table_exist(name) {
            if self.views.contains(name) {
                return Ok(None);
            }
            // Names of the statement are pinned before; this is a listing, and
            // one table that is refused hides no other.
            let newest = Referent::Newest(name.to_owned());
            match self.pin(name, &newest).await {
                Err(error) if error.kind() == ErrorKind::Invalid => {
                    tracing::warn!(table = name, %error, "left out of the list of tables");
                    return Ok(None);
                }
                pinned => pinned.map_err(to_engine)?,
            }
        }
        let tables = self.tables.lock().await;
        Ok(tables.get(name).map(|pin| Arc::clone(&pin.provider)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.listed
            .get()
            .is_some_and(|names| names.iter().any(|listed| listed == name))
    }
}

/// The statement's tables as the engine's list of catalogs.
#[derive(Debug)]
pub(crate) struct PinnedCatalogs(pub(crate) Arc<Pinned>);

impl CatalogProviderList for PinnedCatalogs {
    /// Nothing is registered: the catalogs are those of the statement.
    fn register_catalog(
        &self,
        _name: String,
        _catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == CATALOG).then(|| Arc::new(PinnedCatalog(Arc::clone(&self.0))) as _)
    }
}

#[derive(Debug)]
struct PinnedCatalog(Arc<Pinned>);

impl CatalogProvider for PinnedCatalog {
    fn schema_names(&self) -> Vec<String> {
        vec![SCHEMA.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        (name == SCHEMA).then(|| Arc::clone(&self.0) as _)
    }
}
