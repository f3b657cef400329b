//! Commits in, batches out: session, table provider, SQL functions.
