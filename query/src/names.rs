//! The names that a session knows, for those who offer them to people.

use std::collections::{BTreeMap, BTreeSet};

use downlake_lake::Result;
use downlake_lake::log::VersionAsked;

use crate::session::{Session, query_statement};

impl Session {
    /// The functions that can be called, in order.
    pub fn functions(&self) -> Vec<String> {
        let state = self.state();
        let scalar = state.scalar_functions().keys();
        let aggregate = state.aggregate_functions().keys();
        let window = state.window_functions().keys();
        let table = state.table_functions().keys();
        let all: BTreeSet<&String> = scalar.chain(aggregate).chain(window).chain(table).collect();
        all.into_iter().cloned().collect()
    }

    /// Tables and views with their columns. A table that cannot be read has
    /// none here.
    ///
    /// # Errors
    /// What the catalog says when it lists tables.
    pub async fn tables(&self) -> Result<BTreeMap<String, Vec<String>>> {
        let mut tables = BTreeMap::new();
        for name in self.catalog().table_names().await? {
            let table = self.catalog().table(&name, VersionAsked::Latest).await;
            let columns = match table {
                Ok(Some(table)) => names(&table.snapshot.schema),
                _ => Vec::new(),
            };
            tables.insert(name, columns);
        }
        let views = self.views().clone();
        for (name, query) in views {
            let plan = self.plan(query_statement(query)).await;
            let columns = plan.map(|(_, plan)| names(plan.schema().as_arrow()));
            tables.insert(name, columns.unwrap_or_default());
        }
        Ok(tables)
    }

    /// The views of this session.
    pub fn view_names(&self) -> Vec<String> {
        self.views().keys().cloned().collect()
    }
}

fn names(schema: &arrow::datatypes::Schema) -> Vec<String> {
    schema.fields().iter().map(|f| f.name().clone()).collect()
}
