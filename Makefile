# The two commands: `make run` tries the server out, `make test` is what CI runs. `make bench`
# measures it beside other servers; `make fuzz SECONDS=60 TARGET=session` looks for trouble.
# Both install what is missing on Debian (as root, or through sudo).

# rustup puts cargo there, and not every shell knows.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: run test bench fuzz simulate rust components

run: rust
	@packaging/debian-packages.sh build
	@cargo run --release --locked --features gssapi -- demo

test: rust components
	@packaging/debian-packages.sh test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --features gssapi -- -D warnings
	cargo test --workspace --locked --features gssapi
	fuzz/run smoke
	cargo run --release --locked -p mailroost-parts --bin instructions

# As root: each server runs in namespaces of its own. BENCH takes options of `compare --help`.
bench: rust
	@packaging/debian-packages.sh bench
	cargo build --release --locked --features gssapi -p mailroost -p mailroost-benches
	built=$${CARGO_TARGET_DIR:-target}/release; \
	$$built/compare --server $$built/mailroost --out docs $(BENCH)

# TARGET takes several names; without it all are run, one after the other.
SECONDS ?= 60
fuzz: rust
	@packaging/debian-packages.sh fuzz
	fuzz/run $(SECONDS) $(TARGET)

# The whole tree on a paused clock, from seeds: `make simulate SEEDS=1000`, `make simulate SEED=17`
# plays one again aloud, FROM=n begins elsewhere. What others wrote is built as for the tests.
SEEDS ?= 1000
FROM ?= 0
simulate: rust
	CARGO_PROFILE_DEV_OPT_LEVEL=1 cargo run --locked -p mailroost-simulation -- \
	  $(if $(SEED),--seed $(SEED),--from $(FROM) --seeds $(SEEDS))

rust:
	@command -v cargo >/dev/null || { \
	  echo 'mailroost: cargo is missing; install Rust 1.95 or later from https://rustup.rs' >&2; \
	  exit 1; }

components: rust
	@for component in fmt clippy; do \
	  cargo $$component --version >/dev/null 2>&1 && continue; \
	  case $$component in fmt) name=rustfmt;; *) name=clippy;; esac; \
	  rustup component add $$name || { \
	    echo "mailroost: cargo $$component is missing; install the Rust component $$name" >&2; \
	    exit 1; }; \
	done
