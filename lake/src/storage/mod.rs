//! URL to object store, with the guarantees the log needs of one.
