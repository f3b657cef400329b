//! References of a statement: which tables, at which versions, which files.
//!
//! The engine parses a version and then reads the newest rows; so every
//! version is taken out of the statement here, before planning, and the
//! table gets a name of its own that only this version answers to. A version
//! of something that has none is refused. [`VersionGuard`] refuses whatever
//! version is still there when relations are planned.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::common::Result as EngineResult;
use datafusion::logical_expr::planner::{
    RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Select, SelectItem, SetExpr, Statement, TableAlias,
    TableFactor, TableVersion, Value, VisitMut, VisitorMut,
};
use downlake_lake::log::VersionAsked;
use downlake_lake::{Error, Result};

use crate::error::to_engine;
use crate::parse::fold;

/// What a name in a rewritten statement stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Referent {
    /// A table or view by its own name.
    Newest(String),
    /// A table at a version.
    At(String, VersionAsked),
    /// A raw file.
    File(String),
}

/// The names of a rewritten statement.
pub(crate) type Referents = BTreeMap<String, Referent>;

/// Gives every versioned table and every file a name of its own, in place,
/// and returns what the names stand for.
pub(crate) fn name_referents(statement: &mut impl VisitMut) -> Result<Referents> {
    let mut visitor = Naming {
        scopes: Vec::new(),
        referents: Referents::new(),
    };
    match statement.visit(&mut visitor) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(visitor.referents),
    }
}

struct Naming {
    scopes: Vec<Scope>,
    referents: Referents,
}

/// The common table expressions of one query. Their bodies are visited in
/// order before the query's own body, and each sees those before it.
struct Scope {
    names: Vec<String>,
    recursive: bool,
    entered: usize,
    is_expression_of_parent: bool,
}

impl Scope {
    fn of(query: &Query, is_expression_of_parent: bool) -> Self {
        let with = query.with.as_ref();
        Scope {
            names: with
                .iter()
                .flat_map(|w| &w.cte_tables)
                .map(|cte| fold(&cte.alias.name))
                .collect(),
            recursive: with.is_some_and(|w| w.recursive),
            entered: 0,
            is_expression_of_parent,
        }
    }

    fn sees(&self, name: &str) -> bool {
        let visible = self.entered + usize::from(self.recursive);
        self.names.iter().take(visible).any(|n| n == name)
    }
}

impl VisitorMut for Naming {
    type Break = Error;

    /// DESCRIBE names its table outside of any query.
    fn pre_visit_statement(&mut self, statement: &mut Statement) -> ControlFlow<Error> {
        if let Statement::ExplainTable { table_name, .. } = statement
            && let Some(table) = lake_table(table_name)
        {
            self.referents
                .insert(table.clone(), Referent::Newest(table));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let is_expression = self
            .scopes
            .last()
            .is_some_and(|parent| parent.entered < parent.names.len());
        self.scopes.push(Scope::of(query, is_expression));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        let left = self
            .scopes
            .pop()
            .is_some_and(|scope| scope.is_expression_of_parent);
        if let (true, Some(parent)) = (left, self.scopes.last_mut()) {
            parent.entered += 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match self.name(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Naming {
    fn name(&mut self, factor: &mut TableFactor) -> Result<()> {
        refuse_ignored_clauses(factor)?;
        let TableFactor::Table {
            name,
            alias,
            version,
            args,
            ..
        } = factor
        else {
            return Ok(());
        };
        if args.is_some() {
            return refuse_version(version.as_ref(), "a table function", &name.to_string());
        }
        if let Some(path) = file_path(name) {
            refuse_version(version.as_ref(), "a file", &path)?;
            let own = file_alias(&path);
            self.replace(
                name,
                alias,
                own,
                format!("file:{path}"),
                Referent::File(path),
            );
            return Ok(());
        }
        let Some(table) = lake_table(name) else {
            return refuse_version(version.as_ref(), "outside the lake", &name.to_string());
        };
        if name.0.len() == 1 && self.scopes.iter().any(|scope| scope.sees(&table)) {
            return refuse_version(version.as_ref(), "a common table expression", &table);
        }
        let Some(asked) = version.take() else {
            self.referents
                .insert(table.clone(), Referent::Newest(table));
            return Ok(());
        };
        let asked = version_asked(&table, &asked)?;
        let unique = versioned_name(&table, asked);
        self.replace(
            name,
            alias,
            table.clone(),
            unique,
            Referent::At(table, asked),
        );
        Ok(())
    }

    /// Renames the relation; the rest of the statement keeps calling it by
    /// its alias, or by the name it had.
    fn replace(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        own: String,
        unique: String,
        referent: Referent,
    ) {
        *name = ObjectName::from(vec![Ident::with_quote('"', unique.clone())]);
        alias.get_or_insert_with(|| TableAlias {
            explicit: true,
            name: Ident::with_quote('"', own),
            columns: Vec::new(),
            at: None,
        });
        self.referents.insert(unique, referent);
    }
}

/// Clauses of a table that the engine parses and does not carry out.
fn refuse_ignored_clauses(factor: &TableFactor) -> Result<()> {
    let TableFactor::Table {
        name,
        with_hints,
        partitions,
        json_path,
        sample,
        index_hints,
        with_ordinality,
        ..
    } = factor
    else {
        return Ok(());
    };
    let ignored = !with_hints.is_empty()
        || !partitions.is_empty()
        || !index_hints.is_empty()
        || json_path.is_some()
        || sample.is_some()
        || *with_ordinality;
    if ignored {
        return Err(Error::invalid(format!(
            "sql: hints, samples, partitions and paths after table {name} are not available"
        )));
    }
    Ok(())
}

fn refuse_version(version: Option<&TableVersion>, what: &str, name: &str) -> Result<()> {
    match version {
        None => Ok(()),
        Some(version) => Err(Error::invalid(format!(
            "sql: {name} is {what} and has no versions: leave out {version}"
        ))),
    }
}

fn file_path(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [part] => part
            .as_ident()
            .filter(|ident| ident.quote_style == Some('\''))
            .map(|ident| ident.value.clone()),
        _ => None,
    }
}

/// The file's stem, by which columns may be qualified.
fn file_alias(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.split('.').next().unwrap_or(file);
    stem.to_lowercase()
}

/// The table's name where it is one of the lake: `t`, `public.t`,
/// `lake.public.t`.
fn lake_table(name: &ObjectName) -> Option<String> {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(fold)
        .collect();
    match parts.as_slice() {
        [table] => Some(table.clone()),
        [schema, table] if schema == crate::pinned::SCHEMA => Some(table.clone()),
        [lake, schema, table]
            if lake == crate::pinned::CATALOG && schema == crate::pinned::SCHEMA =>
        {
            Some(table.clone())
        }
        _ => None,
    }
}

fn versioned_name(table: &str, version: VersionAsked) -> String {
    match version {
        VersionAsked::Latest => table.to_owned(),
        VersionAsked::Version(version) => format!("{table}@v{version}"),
        VersionAsked::TimestampMs(ms) => format!("{table}@{ms}ms"),
    }
}

fn version_asked(table: &str, version: &TableVersion) -> Result<VersionAsked> {
    match version {
        TableVersion::VersionAsOf(expr) => version_number(table, expr),
        TableVersion::TimestampAsOf(expr) => version_instant(table, expr),
        other => Err(Error::invalid(format!(
            "sql: {other} is not ours: write {table} VERSION AS OF <n> or {table} TIMESTAMP AS OF '<time>'"
        ))),
    }
}

fn version_number(table: &str, expr: &Expr) -> Result<VersionAsked> {
    let number = match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    };
    number.map(VersionAsked::Version).ok_or_else(|| {
        Error::invalid(format!(
            "sql: {table} VERSION AS OF {expr}: a version is a whole number, 0 or more"
        ))
    })
}

fn version_instant(table: &str, expr: &Expr) -> Result<VersionAsked> {
    let text = match expr {
        Expr::Value(value) => value.value.clone().into_string(),
        _ => None,
    };
    let expected = || {
        Error::invalid(format!(
            "sql: {table} TIMESTAMP AS OF {expr}: expected a time in quotes, such as '2026-01-31T12:00:00Z'"
        ))
    };
    let text = text.ok_or_else(expected)?;
    let nanos = arrow::compute::kernels::cast_utils::string_to_timestamp_nanos(&text)
        .map_err(|error| expected().with_source(error))?;
    Ok(VersionAsked::TimestampMs(nanos.div_euclid(1_000_000)))
}

/// The last line: a relation that still has a version is not planned.
#[derive(Debug)]
pub(crate) struct VersionGuard;

impl RelationPlanner for VersionGuard {
    fn plan_relation(
        &self,
        relation: TableFactor,
        _: &mut dyn RelationPlannerContext,
    ) -> EngineResult<RelationPlanning> {
        if let TableFactor::Table {
            name,
            version: Some(version),
            ..
        } = &relation
        {
            return Err(to_engine(Error::invalid(format!(
                "sql: {name} {version} cannot be honoured here"
            ))));
        }
        Ok(RelationPlanning::Original(Box::new(relation)))
    }
}

/// Names of a source, as they may be quoted, to columns, by the name of the
/// table in the rewritten statement.
pub(crate) type QuotedNames = BTreeMap<String, BTreeMap<String, String>>;

/// Replaces quoted source names by their columns, in place. A name is
/// resolved where it is qualified by its table, or where a table of the
/// query around it has it.
pub(crate) fn resolve_quoted_names(
    statement: &mut impl VisitMut,
    names: &QuotedNames,
) -> Result<()> {
    if names.values().all(BTreeMap::is_empty) {
        return Ok(());
    }
    let mut visitor = Quoting {
        names,
        frames: Vec::new(),
    };
    match statement.visit(&mut visitor) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Quoting<'a> {
    names: &'a QuotedNames,
    frames: Vec<Frame<'a>>,
}

/// The tables of one query with source names: what they are called there,
/// and the names.
type Frame<'a> = Vec<(String, &'a BTreeMap<String, String>)>;

impl VisitorMut for Quoting<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let mut frame = Frame::new();
        let mut aliases = BTreeSet::new();
        for select in selects(&query.body) {
            self.add_tables(select, &mut frame);
            aliases.extend(select.projection.iter().filter_map(redefinition));
        }
        for (column, alias) in aliases {
            let shadowed = frame
                .iter()
                .filter_map(|(_, names)| names.get(&alias))
                .any(|own| *own != column);
            if shadowed {
                return ControlFlow::Break(Error::invalid(format!(
                    "sql: alias \"{alias}\" is also the source name of a column: choose another alias"
                )));
            }
        }
        self.frames.push(frame);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.frames.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let resolved = match expr {
            Expr::Identifier(ident) => self.resolve(None, ident),
            Expr::CompoundIdentifier(parts) => match parts.as_mut_slice() {
                [.., table, column] => self.resolve(Some(fold(table)), column),
                _ => Ok(()),
            },
            _ => Ok(()),
        };
        match resolved {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl<'a> Quoting<'a> {
    fn add_tables(&self, select: &Select, frame: &mut Frame<'a>) {
        let joined = select.from.iter().flat_map(|from| {
            std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
        });
        for factor in joined {
            self.add_factor(factor, frame);
        }
    }

    fn add_factor(&self, factor: &TableFactor, frame: &mut Frame<'a>) {
        match factor {
            TableFactor::Table { name, alias, .. } => {
                let Some(table) = lake_table(name) else {
                    return;
                };
                let called = alias
                    .as_ref()
                    .map_or_else(|| table.clone(), |alias| fold(&alias.name));
                if let Some(names) = self.names.get(&table) {
                    frame.push((called, names));
                }
            }
            TableFactor::NestedJoin {
                table_with_joins, ..
            } => {
                self.add_factor(&table_with_joins.relation, frame);
                for join in &table_with_joins.joins {
                    self.add_factor(&join.relation, frame);
                }
            }
            _ => {}
        }
    }

    /// The innermost query that has the name decides.
    fn resolve(&self, table: Option<String>, ident: &mut Ident) -> Result<()> {
        if ident.quote_style != Some('"') {
            return Ok(());
        }
        for frame in self.frames.iter().rev() {
            let here = frame
                .iter()
                .filter(|(called, _)| table.as_ref().is_none_or(|table| table == called));
            let columns: BTreeSet<&String> = here
                .filter_map(|(_, names)| names.get(&ident.value))
                .collect();
            if columns.len() > 1 {
                return Err(Error::invalid(format!(
                    "sql: source name {ident} is in several tables: write table.{ident}"
                )));
            }
            if let Some(column) = columns.first() {
                ident.value = (*column).clone();
                return Ok(());
            }
        }
        Ok(())
    }
}

fn selects(body: &SetExpr) -> Vec<&Select> {
    match body {
        SetExpr::Select(select) => vec![select],
        SetExpr::SetOperation { left, right, .. } => {
            let mut all = selects(left);
            all.extend(selects(right));
            all
        }
        _ => Vec::new(),
    }
}

/// A quoted alias and the column behind it (empty where it is an expression).
fn redefinition(item: &SelectItem) -> Option<(String, String)> {
    let SelectItem::ExprWithAlias { expr, alias } = item else {
        return None;
    };
    let column = match expr {
        Expr::Identifier(ident) => fold(ident),
        Expr::CompoundIdentifier(parts) => parts.last().map(fold).unwrap_or_default(),
        _ => String::new(),
    };
    let is_itself = column == alias.value;
    (alias.quote_style == Some('"') && !is_itself).then(|| (column, alias.value.clone()))
}
