# The two that matter: `make run` starts the product, `make test` tests it.
# Both install what they need.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LINT    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
VULN    := golang.org/x/vuln/cmd/govulncheck@v1.9.0
SBOM    := github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

PROMTOOL = $(or $(shell PATH="$$PATH:bin" command -v promtool),$(GO) run github.com/prometheus/prometheus/cmd/promtool@v0.316.0)

.PHONY: run test bench bench-peers chaos fuzz check rules build reproducible vulnerabilities sbom image clean

# Compiled without optimisation: on a new machine it is ready in half the time.
run:
	CGO_ENABLED=0 $(GO) build -gcflags='all=-N -l -dwarf=false' -ldflags='-s -w' -o bin/tocsin ./cmd/tocsin
	bin/tocsin dev

# The same bytes in every folder: no path of this machine is in them (-trimpath).
build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/tocsin ./cmd/tocsin

# Whether a clone of this commit in another folder, compiled from nothing, makes
# the same bytes. It takes minutes.
reproducible: build
	@git diff --quiet HEAD || { echo "commit your changes first: they are in the program, and not in a clone"; exit 1; }
	@elsewhere=$$(mktemp -d) && trap 'rm -rf "$$elsewhere"' EXIT && \
	git clone -q . "$$elsewhere/clone" && \
	GOCACHE="$$elsewhere/cache" $(MAKE) --no-print-directory -C "$$elsewhere/clone" build && \
	cmp bin/tocsin "$$elsewhere/clone/bin/tocsin" && sha256sum bin/tocsin

# The tests use a real redis-server, a real mail server, a real browser, a
# publisher in another language, and Prometheus' own tool.
test: needs-redis-server needs-postfix needs-fakeroot needs-python3 needs-curl needs-openssl needs-chromium needs-promtool
	$(GO) test -race -timeout 10m ./...

# What the fleet costs on this machine: less than five minutes, on two cores
# that have nothing else to do. BENCH=--compare=FILE, or names of scenarios.
bench: needs-redis-server build
	bin/tocsin bench run $(BENCH)

# Our pushes, and beside them those of gorush, which is installed below bin as it is
# released.
GORUSH = github.com/appleboy/gorush@v1.22.0
bench-peers: needs-redis-server build
	go mod download $(GORUSH)
	cd "$$(go list -m -f '{{.Dir}}' $(GORUSH))" && CGO_ENABLED=0 go build -o "$(CURDIR)/bin/gorush" .
	PATH="$(CURDIR)/bin:$$PATH" bin/tocsin bench run pushes gorush $(BENCH)

# Everything that can go wrong with servers, network, far ends and workers, one
# fault at a time, under load, and what can go wrong with one server of each kind
# also with 4 and 16 partitions: some forty minutes on two cores. Then made-up
# input for three quarters of an hour (see fuzz). Prints tables;
# fails if a delivery is lost. CHAOS='-seed 7' for another order and other
# times, CHAOS='-test.run EveryFault/Redis' for some of the faults.
chaos: needs-redis-server
	$(GO) test -count 1 -timeout 60m -v ./chaos -args -full $(CHAOS)
	for n in 4 16; do $(GO) test -count 1 -timeout 60m -v ./chaos -run '^Test(EveryFault|FaultsTogether)$$' -args -full -partitions $$n $(CHAOS) || exit 1; done
	$(MAKE) fuzz

# Made-up input for every parser that outsiders reach, one after the other. What
# breaks one is kept in testdata/fuzz beside it, and tried by every test after
# that: commit it with what mends it. FUZZTIME=15s for a shorter run.
fuzz: needs-redis-server
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' .ci/fuzz

check: rules
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-clean:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) run $(LINT) run ./...
	$(GO) mod tidy -diff
	@$(MAKE) --no-print-directory vulnerabilities

# Known vulnerabilities in what our code calls. Without the database, which is on
# the network, nothing is known: that is said, last and in capitals, and fails
# only if STRICT is set, so that the rest can be checked anywhere. VULNDB is the
# URL of a copy of the database, file:///… too.
vulnerabilities:
	@found=$$($(GO) run $(VULN) $(if $(VULNDB),-db $(VULNDB)) ./... 2>&1) && { echo "$$found"; exit 0; }; \
	echo "$$found"; \
	case "$$found" in *"fetching vulnerabilities:"*) ;; *) exit 1;; esac; \
	echo "VULNERABILITIES WERE NOT CHECKED: the database cannot be reached"; \
	[ -z "$(STRICT)" ]

# The modules in bin/tocsin, with licences, as CycloneDX: bin/tocsin.cdx.json.
sbom: build
	$(GO) run $(SBOM) bin -json -licenses -output bin/tocsin.cdx.json bin/tocsin

# What Prometheus' own tool says of the alerts that are shipped, and their tests.
# Where it is not installed it is compiled, which takes minutes.
rules:
	$(PROMTOOL) check rules deploy/prometheus/alerts.yml
	$(PROMTOOL) test rules deploy/prometheus/alerts_test.yml

image:
	docker build -t tocsin:$(VERSION) .

clean:
	rm -rf bin

# needs-X installs the program X with its Debian package unless it is there. A
# Postfix that is installed for the tests is not set up to run by itself, and no
# other mail server gives way to it.
before-postfix = echo 'postfix postfix/main_mailer_type select No configuration' | $$as_root debconf-set-selections &&
needs-%:
	@PATH="$$PATH:/usr/sbin" command -v $* >/dev/null || { \
		echo "installing $*"; \
		as_root=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		$(before-$*) $$as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive $$as_root apt-get install -qy --no-install-recommends --no-remove $(or $(package-$*),$*); \
	}

# Its Debian package would start a server, so the program is taken out of it.
needs-promtool:
	@PATH="$$PATH:bin" command -v promtool >/dev/null || { \
		echo "unpacking promtool"; \
		as_root=$$([ "$$(id -u)" = 0 ] || echo sudo); \
		$$as_root apt-get update -q && mkdir -p bin/unpacked && cd bin/unpacked && apt-get download -q prometheus && \
		dpkg-deb -x prometheus_*.deb . && mv usr/bin/promtool .. && cd .. && rm -r unpacked; \
	}
