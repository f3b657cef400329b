//! The object stores that tests/servers starts; a test that finds none of them
//! is skipped.

use downlake_lake::seam::Seams;
use downlake_lake::storage::{Storage, StorageOptions};

use crate::skip::skip;

/// A fresh lake on S3.
pub(crate) fn s3(test: &str) -> Option<Storage> {
    let Ok(endpoint) = std::env::var("DOWNLAKE_TEST_S3") else {
        skip(
            test,
            "DOWNLAKE_TEST_S3 names no endpoint; see tests/servers/rgw.sh",
        );
        return None;
    };
    let bucket = variable("DOWNLAKE_TEST_S3_BUCKET", "downlake-test");
    let options = cloud(&[
        ("AWS_ENDPOINT", &endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", &variable("AWS_ACCESS_KEY_ID", "")),
        (
            "AWS_SECRET_ACCESS_KEY",
            &variable("AWS_SECRET_ACCESS_KEY", ""),
        ),
    ]);
    let url = format!("s3://{bucket}/{}/lake", Seams::system().new_id());
    Some(Storage::open(&url, &options).unwrap())
}

/// A fresh lake on Azure.
pub(crate) fn azure(test: &str) -> Option<Storage> {
    let Ok(endpoint) = std::env::var("DOWNLAKE_TEST_AZURE") else {
        skip(
            test,
            "DOWNLAKE_TEST_AZURE names no endpoint; see tests/servers/azurite.sh",
        );
        return None;
    };
    let container = variable("DOWNLAKE_TEST_AZURE_CONTAINER", "downlake-test");
    let options = cloud(&[
        ("AZURE_STORAGE_ENDPOINT", &endpoint),
        ("AZURE_ALLOW_HTTP", "true"),
        (
            "AZURE_STORAGE_ACCOUNT_NAME",
            &variable("AZURE_STORAGE_ACCOUNT_NAME", ""),
        ),
        (
            "AZURE_STORAGE_ACCOUNT_KEY",
            &variable("AZURE_STORAGE_ACCOUNT_KEY", ""),
        ),
    ]);
    let url = format!("az://{container}/{}/lake", Seams::system().new_id());
    Some(Storage::open(&url, &options).unwrap())
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn cloud(options: &[(&str, &str)]) -> StorageOptions {
    StorageOptions {
        cloud: options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..StorageOptions::default()
    }
}
