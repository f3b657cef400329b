//! What the kernel's errors mean to our callers.

use delta_kernel::KernelError;

use crate::{Error, ErrorKind};

/// Maps an error of the kernel; the kernel's words stay in the message.
pub(super) fn from_kernel(error: KernelError) -> Error {
    match error {
        KernelError::Backtraced { source, .. } => from_kernel(*source),
        KernelError::ObjectStore(error) => Error::from(error),
        error => Error::new(kind_of(&error), error.to_string()).with_source(error),
    }
}

fn kind_of(error: &KernelError) -> ErrorKind {
    use KernelError as K;
    match error {
        K::FileNotFound(_) | K::EmptyLog | K::MissingVersion(_) => ErrorKind::NotFound,
        K::IOError(_) | K::Reqwest(_) => ErrorKind::Unavailable,
        K::Unsupported(_)
        | K::Schema(_)
        | K::Generic(_)
        | K::InvalidTransactionState(_)
        | K::InvalidPartitionValues(_)
        | K::InvalidTableLocation(_)
        | K::InvalidDecimal(_)
        | K::MissingColumn(_)
        | K::StatsValidation(_) => ErrorKind::Invalid,
        K::FileAlreadyExists(_) | K::TableAlreadyExistsAtPath(_) => ErrorKind::Conflict,
        K::MalformedJson(_)
        | K::InvalidProtocol(_)
        | K::MissingMetadata
        | K::MissingProtocol
        | K::MissingMetadataAndProtocol
        | K::MissingData(_)
        | K::InvalidLogPath(_)
        | K::InvalidLogSegment(_)
        | K::InvalidCheckpoint(_)
        | K::DeletionVector(_)
        | K::ParseError(..)
        | K::Arrow(_)
        | K::Parquet(_) => ErrorKind::Corrupt,
        K::Cancelled => ErrorKind::Cancelled,
        _ => ErrorKind::Internal,
    }
}
