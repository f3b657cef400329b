# The same checks on a laptop and in CI.

profile := "ci"

# All that CI checks before it tests
check: fmt clippy docs tidy

fmt:
    cargo fmt --all --check

clippy:
    cargo clippy --locked --workspace --all-targets --profile {{ profile }} -- -D warnings

docs:
    RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps --profile {{ profile }}

tidy:
    cargo test --quiet --locked --profile {{ profile }} -p tidy

# Every test this machine can run: `just test FILTER`
test *FILTER:
    tests/run {{ FILTER }}

# What CI runs, from nothing: installs servers and clients
ci *STEPS:
    .ci/run {{ STEPS }}
