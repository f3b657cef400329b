//! The one parse function of shell, scripts, views and doors.
//!
//! Promises: statements are split at `;` outside strings and comments; every
//! statement is one of the kinds below with nothing left over; a spelling of
//! other systems is refused with ours shown. Refuses: clauses that would be
//! parsed and then ignored.

use std::fmt;

use datafusion::sql::parser::{
    CopyToSource, CopyToStatement, DFParserBuilder, Statement as EngineStatement,
};
use datafusion::sql::sqlparser::ast::{
    CreateTable, CreateView, Ident, Insert, ObjectName, ObjectType, Query,
    Statement as SqlStatement, TableObject,
};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};
use downlake_lake::{Error, Result};

use crate::dialect::LakeDialect;
use crate::error::from_engine;
use crate::output::Format;
use crate::place::{Place, Words, parser_error};

/// How deep expressions and queries may nest.
const NESTING_LIMIT: usize = 100;

const VERSION_SPELLING: &str =
    "write <table> VERSION AS OF <n> or <table> TIMESTAMP AS OF '<time>'";

/// Words of the language in which slips are common.
const KEYWORDS: [&str; 27] = [
    "SELECT", "FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "HAVING", "OFFSET", "JOIN", "INNER",
    "OUTER", "LEFT", "RIGHT", "UNION", "EXCEPT", "INSERT", "CREATE", "TABLE", "VALUES", "EXPLAIN",
    "DESCRIBE", "SHOW", "COPY", "DROP", "WITH", "BETWEEN", "DISTINCT",
];

const SHOW_TABLES: &str = "SELECT table_name, table_type FROM information_schema.tables \
     WHERE table_schema = 'public' ORDER BY table_name";

/// One statement, parsed and classified, not yet planned.
#[derive(Debug, Clone)]
pub struct Statement {
    text: String,
    pub(crate) kind: Kind,
    pub(crate) words: Words,
}

impl Statement {
    /// The text of the statement, without the `;`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the statement makes a table.
    pub fn creates(&self) -> bool {
        matches!(self.kind, Kind::CreateTable { .. })
    }

    /// Whether the statement adds to a table that must be there.
    pub fn inserts(&self) -> bool {
        matches!(self.kind, Kind::Insert { .. })
    }

    /// Whether the statement changes the lake or writes a file.
    pub fn writes(&self) -> bool {
        matches!(
            self.kind,
            Kind::CreateTable { .. } | Kind::Insert { .. } | Kind::Copy { .. }
        )
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a statement asks for.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// A query, EXPLAIN, SHOW or DESCRIBE.
    Read(Box<EngineStatement>),
    /// `CREATE TABLE name AS query`.
    CreateTable {
        name: String,
        if_not_exists: bool,
        query: Box<Query>,
    },
    /// `INSERT INTO name [(columns)] query`.
    Insert {
        name: String,
        columns: Vec<Ident>,
        query: Box<Query>,
    },
    /// `COPY source TO 'path'`.
    Copy {
        query: Box<Query>,
        path: String,
        format: Format,
    },
    /// `CREATE VIEW name AS query`, for this session.
    CreateView {
        name: String,
        or_replace: bool,
        query: Box<Query>,
    },
    /// `DROP VIEW name`.
    DropView { names: Vec<String>, if_exists: bool },
}

/// Parses the statements of a text.
///
/// # Errors
/// `Invalid` if a statement cannot be parsed or is of a kind that is not
/// available; nothing is returned then, not even the statements before it.
pub fn parse(sql: &str) -> Result<Vec<Statement>> {
    let tokens = Tokenizer::new(&LakeDialect, sql)
        .tokenize_with_location()
        .map_err(|error| {
            let place = Place::at(error.location);
            let said = Error::invalid(format!("sql: {error}"));
            match place {
                Some(place) => said.with_source(place),
                None => said,
            }
        })?;
    tokens
        .split(|token| token.token == Token::SemiColon)
        .filter(|tokens| tokens.iter().any(|token| !is_blank(token)))
        .map(parse_one)
        .collect()
}

fn parse_one(tokens: &[TokenWithSpan]) -> Result<Statement> {
    let text: String = tokens.iter().map(|token| token.token.to_string()).collect();
    let tokens: Vec<_> = tokens
        .iter()
        .filter(|token| !is_blank(token))
        .cloned()
        .collect();
    refuse_foreign_spellings(&tokens)?;
    let words = Words::of(&tokens);
    let statement =
        parse_tokens(&tokens).map_err(|error| parser_error(with_near_keyword(error), &tokens))?;
    Ok(Statement {
        text: text.trim().to_owned(),
        kind: classify(statement)?,
        words,
    })
}

fn parse_tokens(tokens: &[TokenWithSpan]) -> Result<EngineStatement> {
    let mut parser = DFParserBuilder::new(copy_of_query(tokens.to_vec()))
        .with_dialect(&LakeDialect)
        .with_recursion_limit(NESTING_LIMIT)
        .build()
        .map_err(from_engine)?;
    let statement = parser.parse_statement().map_err(from_engine)?;
    let rest = parser.parser.peek_token();
    if rest.token != Token::EOF {
        return Err(Error::invalid(format!(
            "sql: expected the end of the statement, found {rest}{}",
            rest.span.start
        )));
    }
    Ok(statement)
}

/// A word that the parser did not expect may be one of the language with a
/// slip in it.
fn with_near_keyword(error: Error) -> Error {
    let near = || {
        let (before, rest) = error.message().split_once("found")?;
        let rest = rest.trim_start_matches([':', ' ']);
        let end = rest.find(" at Line: ")?;
        let word = rest[..end].to_uppercase();
        let near = KEYWORDS
            .iter()
            .find(|keyword| **keyword != word && strsim::osa_distance(keyword, &word) == 1)?;
        let (found, place) = rest.split_at(end);
        Some(format!("{before}found: {found} (near: {near}){place}"))
    };
    match near() {
        Some(message) => Error::new(error.kind(), message),
        None => error,
    }
}

fn is_blank(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_))
}

fn keyword(token: &TokenWithSpan) -> Option<&Word> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    }
}

fn is_word(token: &TokenWithSpan, text: &str) -> bool {
    keyword(token).is_some_and(|word| word.value.eq_ignore_ascii_case(text))
}

/// Spellings that parse as something else, or not at all, and would leave a
/// person guessing.
fn refuse_foreign_spellings(tokens: &[TokenWithSpan]) -> Result<()> {
    for (at, token) in tokens.iter().enumerate() {
        let follows =
            |offset: usize, text: &str| tokens.get(at + offset).is_some_and(|t| is_word(t, text));
        let place = token.span.start;
        if is_word(token, "for")
            && ["system_time", "system_version"]
                .iter()
                .any(|w| follows(1, w))
        {
            return Err(Error::invalid(format!(
                "sql: FOR SYSTEM_TIME{place} is not ours: {VERSION_SPELLING}"
            )));
        }
        if is_word(token, "for")
            && ["version", "timestamp"].iter().any(|w| follows(1, w))
            && follows(2, "as")
        {
            return Err(Error::invalid(format!(
                "sql: leave out FOR{place}: {VERSION_SPELLING}"
            )));
        }
        if is_word(token, "asof") && (follows(1, "join") || follows(1, "left")) {
            return Err(Error::invalid(format!(
                "sql: ASOF JOIN{place} is not available yet"
            )));
        }
        refuse_version_in_name(token)?;
    }
    Ok(())
}

/// `t@v3`, which the tokenizer takes for a name.
fn refuse_version_in_name(token: &TokenWithSpan) -> Result<()> {
    let Some(word) = keyword(token) else {
        return Ok(());
    };
    match word.value.split_once('@') {
        Some((table, version)) if !table.is_empty() && !version.is_empty() => {
            Err(Error::invalid(format!(
                "sql: {word}{} is not a name: {VERSION_SPELLING}",
                token.span.start
            )))
        }
        _ => Ok(()),
    }
}

/// `COPY t ... TO` as `COPY (SELECT * FROM t ...) TO`, so that a version or
/// a file stands there as in every other place.
fn copy_of_query(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_copy = tokens.first().is_some_and(|token| is_word(token, "copy"));
    let end = tokens.iter().position(|token| is_word(token, "to"));
    let (true, Some(end)) = (is_copy, end) else {
        return tokens;
    };
    if tokens[1].token == Token::LParen || is_word(&tokens[1], "into") {
        return tokens;
    }
    let here = tokens[1].span;
    let word = |text: &str| TokenWithSpan {
        token: Token::make_keyword(text),
        span: here,
    };
    let mark = |token: Token| TokenWithSpan { token, span: here };
    let mut rewritten = vec![
        tokens[0].clone(),
        mark(Token::LParen),
        word("SELECT"),
        mark(Token::Mul),
        word("FROM"),
    ];
    rewritten.extend_from_slice(&tokens[1..end]);
    rewritten.push(mark(Token::RParen));
    rewritten.extend_from_slice(&tokens[end..]);
    rewritten
}

fn classify(statement: EngineStatement) -> Result<Kind> {
    match statement {
        EngineStatement::Statement(statement) => classify_sql(*statement),
        EngineStatement::CopyTo(copy) => copy_kind(copy),
        EngineStatement::Explain(mut explain) => match classify(*explain.statement)? {
            Kind::Read(inner) => {
                explain.statement = inner;
                Ok(Kind::Read(Box::new(EngineStatement::Explain(explain))))
            }
            _ => Err(Error::invalid(
                "sql: EXPLAIN of a statement that writes is not available",
            )),
        },
        EngineStatement::CreateExternalTable(_) => Err(Error::invalid(
            "sql: CREATE EXTERNAL TABLE is not available: write FROM 'file'",
        )),
        EngineStatement::Reset(_) => Err(not_available("RESET")),
    }
}

fn classify_sql(statement: SqlStatement) -> Result<Kind> {
    match statement {
        SqlStatement::Query(_)
        | SqlStatement::ExplainTable { .. }
        | SqlStatement::ShowColumns { .. } => Ok(Kind::Read(Box::new(EngineStatement::Statement(
            Box::new(statement),
        )))),
        SqlStatement::ShowTables { .. } => show_tables(&statement),
        SqlStatement::CreateTable(create) => create_table_kind(create),
        SqlStatement::CreateView(create) => create_view_kind(create),
        SqlStatement::Insert(insert) => insert_kind(insert),
        SqlStatement::Drop {
            object_type: ObjectType::View,
            if_exists,
            ref names,
            ..
        } => {
            let names = names.iter().map(table_name).collect::<Result<_>>()?;
            Ok(Kind::DropView { names, if_exists })
        }
        other => Err(not_available(&first_words(&other.to_string()))),
    }
}

fn not_available(what: &str) -> Error {
    Error::invalid(format!(
        "sql: {what} is not available: statements are SELECT, EXPLAIN, SHOW TABLES, DESCRIBE, \
         CREATE TABLE AS, INSERT INTO, COPY TO, CREATE VIEW, DROP VIEW"
    ))
}

/// The words in capitals at the beginning of a statement's normal form.
fn first_words(text: &str) -> String {
    let capitals = |word: &&str| word.chars().all(|c| c.is_ascii_uppercase());
    text.split_whitespace()
        .take_while(capitals)
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
}

fn show_tables(statement: &SqlStatement) -> Result<Kind> {
    if statement.to_string() != "SHOW TABLES" {
        return Err(Error::invalid(
            "sql: SHOW TABLES takes no options: query information_schema.tables",
        ));
    }
    let mut parsed = parse(SHOW_TABLES)?;
    Ok(parsed.remove(0).kind)
}

fn create_table_kind(create: CreateTable) -> Result<Kind> {
    let Some(query) = create.query.clone() else {
        return Err(Error::invalid(
            "sql: write CREATE TABLE <name> AS SELECT ...",
        ));
    };
    let if_not_exists = if create.if_not_exists {
        "IF NOT EXISTS "
    } else {
        ""
    };
    let plain = format!("CREATE TABLE {if_not_exists}{} AS {query}", create.name);
    refuse_extras("CREATE TABLE", &create.to_string(), &plain)?;
    let name = target_name(&create.name)?;
    Ok(Kind::CreateTable {
        name,
        if_not_exists: create.if_not_exists,
        query,
    })
}

fn create_view_kind(create: CreateView) -> Result<Kind> {
    let (or_replace, temporary) = (create.or_replace, create.temporary);
    let plain = format!(
        "CREATE {}{}VIEW {} AS {}",
        if or_replace { "OR REPLACE " } else { "" },
        if temporary { "TEMPORARY " } else { "" },
        create.name,
        create.query
    );
    refuse_extras("CREATE VIEW", &create.to_string(), &plain)?;
    Ok(Kind::CreateView {
        name: target_name(&create.name)?,
        or_replace,
        query: create.query,
    })
}

fn insert_kind(insert: Insert) -> Result<Kind> {
    let (TableObject::TableName(name), Some(query)) = (&insert.table, insert.source.clone()) else {
        return Err(Error::invalid(
            "sql: write INSERT INTO <table> [(columns)] SELECT ... or VALUES ...",
        ));
    };
    let columns: Vec<String> = insert.columns.iter().map(ToString::to_string).collect();
    let list = if columns.is_empty() {
        String::new()
    } else {
        format!("({}) ", columns.join(", "))
    };
    let plain = format!("INSERT INTO {name} {list}{query}");
    refuse_extras("INSERT", &insert.to_string(), &plain)?;
    let name = target_name(name)?;
    let columns = insert
        .columns
        .iter()
        .map(|column| single_ident(column).cloned())
        .collect::<Result<_>>()?;
    Ok(Kind::Insert {
        name,
        columns,
        query,
    })
}

fn copy_kind(copy: CopyToStatement) -> Result<Kind> {
    if copy.stored_as.is_some() || !copy.options.is_empty() || !copy.partitioned_by.is_empty() {
        return Err(Error::invalid(
            "sql: COPY takes no options: the file's extension says the format",
        ));
    }
    let CopyToSource::Query(query) = copy.source else {
        return Err(Error::invalid(
            "sql: EXPLAIN COPY is not available: explain the query that it copies",
        ));
    };
    let format = Format::from_path(&copy.target)?;
    Ok(Kind::Copy {
        query,
        path: copy.target,
        format,
    })
}

/// Compares a statement with the form that is carried out: what the parser
/// read beyond it would be ignored.
fn refuse_extras(what: &str, written: &str, carried_out: &str) -> Result<()> {
    if written == carried_out {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "sql: {what} with options is not available: this would be carried out: {carried_out}"
    )))
}

fn single_ident(name: &ObjectName) -> Result<&Ident> {
    match name.0.as_slice() {
        [part] => part.as_ident(),
        _ => None,
    }
    .ok_or_else(|| Error::invalid(format!("sql: {name} is not a plain name")))
}

/// An identifier as it names things: lower case unless quoted.
pub(crate) fn fold(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

fn table_name(name: &ObjectName) -> Result<String> {
    single_ident(name).map(fold)
}

/// The name of a table or view that a statement makes or adds to.
fn target_name(name: &ObjectName) -> Result<String> {
    let name = table_name(name)?;
    if name.starts_with('_') {
        return Err(Error::invalid(format!(
            "sql: \"{name}\" is the name of a system table: nobody writes to it but the lake"
        )));
    }
    Ok(name)
}

#[cfg(test)]
mod tests;
