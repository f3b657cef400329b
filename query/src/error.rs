//! Errors of the query engine in our own words, with what is near a name
//! that does not exist.

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use downlake_lake::{Error, ErrorKind};
use parquet::errors::ParquetError;

use crate::place::{Missing, placed};

/// How many near names a message shows.
const NEAR_NAMES: usize = 3;

/// The engine's error as ours: the kind says what the caller can do.
pub(crate) fn from_engine(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(source) => from_external(source),
        DataFusionError::ArrowError(arrow, _) => from_arrow(*arrow),
        DataFusionError::ObjectStore(store) => Error::from(*store),
        DataFusionError::ParquetError(parquet) => from_parquet(*parquet),
        DataFusionError::SchemaError(schema, _) => from_schema(&schema),
        DataFusionError::Diagnostic(said, inner) => placed(from_engine(*inner), said.span),
        DataFusionError::Context(doing, inner) => from_engine(*inner).context(doing),
        DataFusionError::Collection(mut all) if !all.is_empty() => from_engine(all.swap_remove(0)),
        DataFusionError::Shared(shared) => from_shared(&shared),
        other => from_text(&other),
    }
}

/// Wraps an error of ours for its way through the engine.
pub(crate) fn to_engine(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn from_external(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let source = match source.downcast::<Error>() {
        Ok(ours) => return *ours,
        Err(other) => other,
    };
    match source.downcast::<DataFusionError>() {
        Ok(engine) => from_engine(*engine),
        Err(other) => Error::internal(tidy(&other.to_string())).with_source(other),
    }
}

fn from_shared(shared: &DataFusionError) -> Error {
    match shared.find_root() {
        DataFusionError::External(source) => match source.downcast_ref::<Error>() {
            Some(ours) => Error::new(ours.kind(), ours.message()),
            None => Error::internal(tidy(&source.to_string())),
        },
        root => from_text(root),
    }
}

/// A filter that runs while a file is read fails as an error of the file,
/// though the file is sound.
fn from_parquet(error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => match source.downcast::<ArrowError>() {
            Ok(arrow) => from_filter(*arrow),
            Err(other) => Error::from(ParquetError::External(other)),
        },
        other => Error::from(other),
    }
}

fn from_filter(error: ArrowError) -> Error {
    let text = error.to_string();
    let cast = text
        .split_once("CastError(\"")
        .and_then(|(_, rest)| rest.split_once("\")"));
    match cast {
        Some((cast, _)) => Error::invalid(format!(
            "a filter compares different types: {}: write both sides as one type, text in quotes or with CAST",
            tidy(cast)
        ))
        .with_source(error),
        None => from_arrow(error),
    }
}

/// Arrow reports wrong values of a query and broken data alike; what a
/// query's own functions and casts say is the query's fault.
fn from_arrow(error: ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(source) => from_external(source),
        ArrowError::CastError(_)
        | ArrowError::ParseError(_)
        | ArrowError::ComputeError(_)
        | ArrowError::DivideByZero
        | ArrowError::ArithmeticOverflow(_)
        | ArrowError::InvalidArgumentError(_)
        | ArrowError::NotYetImplemented(_) => {
            Error::invalid(tidy(&error.to_string())).with_source(error)
        }
        ArrowError::ParquetError(message) => Error::corrupt(tidy(&message)),
        other => Error::from(other),
    }
}

fn from_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => {
            let known = valid_fields.iter().map(|column| column.name.as_str());
            not_found("column", &field.name, known)
        }
        SchemaError::AmbiguousReference { field } => Error::invalid(format!(
            "column \"{}\" is in several tables: write table.column",
            field.name
        )),
        other => Error::invalid(tidy(&other.to_string())),
    }
}

fn from_text(error: &DataFusionError) -> Error {
    let message = tidy(&error.strip_backtrace());
    let kind = match error {
        DataFusionError::ResourcesExhausted(_) => ErrorKind::Limit,
        DataFusionError::Internal(_) | DataFusionError::ExecutionJoin(_) => ErrorKind::Internal,
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => ErrorKind::Unavailable,
        DataFusionError::ParquetError(_) => ErrorKind::Corrupt,
        _ => ErrorKind::Invalid,
    };
    Error::new(kind, message)
}

/// A message of the engine in the form of ours: without the name of its
/// stage, lowercase, on one line, without a full stop.
fn tidy(message: &str) -> String {
    const STAGES: [&str; 9] = [
        "Error during planning: ",
        "Execution error: ",
        "SQL error: ",
        "Schema error: ",
        "Arrow error: ",
        "Resources exhausted: ",
        "This feature is not implemented: ",
        "Cast error: ",
        "Parser error: ",
    ];
    let mut text = message.trim();
    while let Some(rest) = STAGES.iter().find_map(|stage| text.strip_prefix(stage)) {
        text = rest;
    }
    if let Some(inner) = text
        .strip_prefix("ParserError(\"")
        .and_then(|t| t.strip_suffix("\")"))
    {
        text = inner;
    }
    let line = text.replace('\n', " ");
    lower_first(line.trim_end_matches('.'))
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let second_is_upper = text.chars().nth(1).is_some_and(char::is_uppercase);
    match chars.next() {
        Some(first) if !second_is_upper => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

/// The engine knows a function by its name alone; we say which are near.
pub(crate) fn with_near_functions(error: Error, known: &[String]) -> Error {
    let name = error
        .message()
        .strip_prefix("invalid function '")
        .and_then(|rest| rest.split_once('\''));
    match name {
        Some((name, _)) => not_found("function", name, known.iter().map(String::as_str)),
        None => error,
    }
}

/// `no table "x" (near: a, b)`, or without the part in parentheses where
/// nothing known resembles the name.
pub(crate) fn not_found<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let near = near_names(name, known);
    let message = match near.as_slice() {
        [] => format!("no {what} \"{name}\""),
        near => format!("no {what} \"{name}\" (near: {})", near.join(", ")),
    };
    Error::not_found(message).with_source(Missing(name.to_owned()))
}

fn near_names<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = name.to_lowercase();
    let most = 1 + wanted.chars().count() / 3;
    let mut near: Vec<(usize, &str)> = known
        .map(|known| (strsim::osa_distance(&wanted, &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= most || known.to_lowercase().contains(&wanted))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter()
        .take(NEAR_NAMES)
        .map(|(_, known)| known.to_owned())
        .collect()
}
