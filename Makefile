# cairn's build. `make help` lists the targets.
#
# All that is built lies in $(BUILD)/<variant>/, objects beside the names of their sources:
#   plain   optimised and hardened, what is installed
#   asan    with AddressSanitizer and UndefinedBehaviorSanitizer
#   tsan    with ThreadSanitizer
#   coverage  without optimisation, counts which lines and branches run, for `make coverage`
#   fuzz    clang's libFuzzer with AddressSanitizer, for `make fuzz`

# The version stands in one place, the library's header.
VERSION := $(shell awk '/define CAIRN_VERSION_(MAJOR|MINOR|PATCH) / {printf "%s%s", dot, $$3; dot = "."}' client/cairn.h)
ABI := 1

BUILD ?= build
VARIANT ?= plain
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
B := $(BUILD)/$(VARIANT)

# ---- compiler ----

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wcast-qual \
	-Werror
CFLAGS_plain := -O2 -g -fno-plt -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
CFLAGS_sanitized := -O1 -g -fno-omit-frame-pointer -Wno-maybe-uninitialized
CFLAGS_asan := $(CFLAGS_sanitized) -fsanitize=address,undefined -fno-sanitize-recover=all
CFLAGS_tsan := $(CFLAGS_sanitized) -fsanitize=thread
CFLAGS_coverage := -O0 -g
CFLAGS_fuzz := -O1 -g -fno-omit-frame-pointer -Wno-error -fsanitize=fuzzer-no-link,address
# What is installed is optimised across its files, for a request passes through many; tests link the same objects without.
ifeq ($(findstring clang,$(CC)),)
LTO_CFLAGS_plain := -flto=auto -ffat-lto-objects
LTO_LDFLAGS_plain := -flto=auto
endif
# What is counted is ours. Threads count at the same time.
OURS_CFLAGS_plain := $(LTO_CFLAGS_plain)
OURS_CFLAGS_coverage := --coverage -fprofile-update=atomic
LDFLAGS_plain := -Wl,-z,relro,-z,now
LDFLAGS_asan := -fsanitize=address,undefined
LDFLAGS_tsan := -fsanitize=thread
LDFLAGS_coverage = --coverage -Wl,--wrap=_exit,--wrap=abort $(COUNTING)
LDFLAGS_fuzz := -fsanitize=fuzzer-no-link,address

ifeq ($(VARIANT),fuzz)
CC := clang-19
else ifeq ($(origin CC),default)
CC := gcc
endif

COMPILE = $(CC) -std=gnu11 -D_GNU_SOURCE -DCAIRN_VERSION='"$(VERSION)"' -I. -isystem $(B) -fPIC -fvisibility=hidden \
	-pthread -MD -MP
LINK_LTO := -fno-lto
LINK = $(CC) $(LINK_LTO) -pie -pthread -Wl,--as-needed $(LDFLAGS_$(VARIANT)) $(LDFLAGS)

# ---- RocksDB: the distribution's library, or the release build of `make engine` once that is there ----

ENGINE_PACKAGE := $(shell dpkg-query -W -f '$${Version}' librocksdb-dev 2>/dev/null)
ENGINE_VERSION := $(firstword $(subst -, ,$(ENGINE_PACKAGE)))
ENGINE_CACHE := $(or $(CAIRN_ENGINE_DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cairn/engine/$(ENGINE_PACKAGE))
# ThreadSanitizer can leave a library it did not instrument out of its judgement only if that is a shared one.
ENGINE_RELEASE := $(if $(filter tsan,$(VARIANT)),,$(wildcard $(ENGINE_CACHE)/librocksdb.a))
ifneq ($(ENGINE_RELEASE),)
ENGINE_LIBS := $(ENGINE_RELEASE) -lstdc++ -lsnappy -lbz2 -lz -llz4 -lzstd -lm
ENGINE_BUILD := release
else
ENGINE_LIBS := -lrocksdb
ENGINE_BUILD := distribution
endif

DAEMON_LIBS = $(ENGINE_LIBS) -luv -lprotobuf-c -lsystemd -lxxhash -lcrypto
CLIENT_LIBS := -lprotobuf-c
TOOL_LIBS := -ljansson -lzstd -lcrypto $(CLIENT_LIBS)
CHECK_LIBS := -lcheck -lsubunit -lrt -lm

# ---- files ----

objects = $(patsubst %.c,$(B)/%.o,$(1))
sources = $(sort $(shell find $(1) -name '*.c'))

GENERATED := $(B)/proto/cairn.pb-c.h
PROTO := $(call objects,$(wildcard proto/*.c)) $(B)/proto/cairn.pb-c.o
DAEMON := $(call objects,$(filter-out daemon/main.c,$(call sources,daemon)))
CLIENT := $(call objects,$(filter-out client/tool/% client/examples/%,$(call sources,client)))
TOOL := $(call objects,$(filter-out client/tool/main.c,$(call sources,client/tool)))
MAINS := $(B)/daemon/main.o $(B)/client/tool/main.o
TEST_LIB := $(call objects,$(wildcard tests/lib/*.c tests/fake_engine/*.c))

EXAMPLES := $(patsubst client/examples/%.c,$(B)/examples/%,$(wildcard client/examples/*.c))
UNIT_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
INTEGRATION_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/integration/test_*.c))
# For ThreadSanitizer: most of them have one thread and test another process. They run as the plain build has them, beside that process.
ifeq ($(VARIANT),tsan)
DRIVERS := $(patsubst %.c,$(BUILD)/plain/%,$(filter-out %/test_client_claim.c %/test_uv.c,$(wildcard tests/integration/test_*.c)))
INTEGRATION_TESTS := $(B)/tests/integration/test_client_claim $(B)/tests/integration/test_uv
endif
# Sweeps over faults, in the plain build only: they look at what the daemon leaves on disk. What they have loaded into it before libc
# is a library for itself.
FAULT_SOURCES := $(if $(filter plain,$(VARIANT)),$(wildcard tests/fault/*.c))
FAULT_TESTS := $(patsubst %.c,$(B)/%,$(filter tests/fault/test_%,$(FAULT_SOURCES)))
FAULT_PRELOADS := $(patsubst %.c,$(B)/%.so,$(filter tests/fault/preload_%,$(FAULT_SOURCES)))
FAULT_LIB := $(call objects,$(filter-out tests/fault/test_% tests/fault/preload_%,$(FAULT_SOURCES)))
# Unit tests in which calls of libc fail on demand.
FAILING_TESTS := $(patsubst %,$(B)/tests/unit/test_%,audit audit_cut audit_file audit_hole connection_read directory_failing directory_hold held \
	log mirrored_file numbers pending preview queue_copy reserve rocks_info_log source_failing stamp start_watch sync wal_files wal_state watchdog)
FUZZERS := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
TESTS := $(UNIT_TESTS) $(FUZZERS) $(INTEGRATION_TESTS) $(FAULT_TESTS)
SIDE := $(call objects,$(wildcard tests/bench/side*.c))

# The build that counts has a word in how a process ends.
COUNTING := $(if $(filter coverage,$(VARIANT)),$(B)/tests/coverage/wrap_exit.o)

SONAME := libcairn.so.$(ABI)
PROGRAMS := $(B)/cairnd $(B)/cairn
LIBRARIES := $(B)/libcairn.so $(B)/libcairn.a

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: run check build tests test engine install clean format tidy soak fuzz coverage dependencies help side FORCE

# ---- what people call ----

run: ## start a daemon on a temporary directory, replay both recordings, print the report
	scripts/dependencies.sh
	$(MAKE) -j$(JOBS) VARIANT=plain build
	scripts/run.sh $(BUILD)/plain

check: ## check the tree, then run all tests plain, under ASan+UBSan and under TSan
	scripts/dependencies.sh --check
	MAKE="$(MAKE)" scripts/check.sh $(BUILD) $(JOBS)

.PHONY: bench bench-quick
BENCH_OUT ?= bench-results

bench: ## measure cairn beside what it is compared with, on the release engine; about 20 minutes; BENCH='--rows P1' chooses
	scripts/dependencies.sh --bench
	$(MAKE) -j$(JOBS) VARIANT=plain build $(BUILD)/plain/bench/side
	tests/bench/bench.py --build $(BUILD)/plain --out $(BENCH_OUT) $(BENCH)

bench-quick: ## the same for a first look, in two minutes
	$(MAKE) bench BENCH="--quick $(BENCH)"

.PHONY: bench-go
bench-go: ## measure the Go client beside Badger in process, on the release engine; about 20 minutes; BENCH='--quick --rows Block/' chooses
	scripts/dependencies.sh --bench
	$(MAKE) -j$(JOBS) VARIANT=plain build
	scripts/bench-go.sh $(BUILD)/plain $(BENCH_OUT)/go $(BENCH)

build: $(PROGRAMS) $(LIBRARIES) $(EXAMPLES) ## build daemon, tool, library and examples (the default)

tests: ## build the tests of one VARIANT
	scripts/dependencies.sh --check
	$(MAKE) test-programs

test: tests ## run the tests of one VARIANT (plain, asan, tsan)
	scripts/test.sh $(B) $(VARIANT) $(JOBS) $(TESTS) $(DRIVERS)

engine: ## build RocksDB for release, once, into a cache outside the tree; every later build uses it
	scripts/dependencies.sh --engine
	$(MAKE) engine-library

dependencies: ## install the packages that are missing for run and check
	scripts/dependencies.sh --check

format: ## format all C sources
	scripts/dependencies.sh --check
	scripts/tidy.sh --format

tidy: ## check the tree: format, include directions, lengths, open ends
	scripts/dependencies.sh --check
	scripts/tidy.sh

fuzz: ## fuzz each entry for SECONDS (60)
	scripts/dependencies.sh --fuzz
	$(MAKE) -j$(JOBS) VARIANT=fuzz fuzzers
	scripts/fuzz.sh $(BUILD)/fuzz $(or $(SECONDS),60)

soak: ## run the model test with fresh seeds for MINUTES (60)
	scripts/dependencies.sh --check
	$(MAKE) -j$(JOBS) VARIANT=$(VARIANT) tests
	scripts/soak.sh $(B) $(VARIANT) $(or $(MINUTES),60)

# `make soak-kill MINUTES=60 SEED=1`: a sweep of tests/fault in its long form.
soak-%:
	scripts/dependencies.sh --check
	$(MAKE) -j$(JOBS) VARIANT=plain tests
	scripts/soak-fault.sh $(BUILD)/plain plain $* $(or $(MINUTES),60) $(SEED)

coverage: ## run the tests in a build that counts lines and branches, print the counts and judge them by scripts/coverage.txt
	scripts/dependencies.sh --check
	$(MAKE) -j$(JOBS) VARIANT=coverage test-programs
	$(MAKE) VARIANT=coverage count

clean: ## remove all that was built
	rm -rf $(BUILD)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo '  variables: BUILD VARIANT JOBS PREFIX SYSCONFDIR DESTDIR CC CFLAGS LDFLAGS BENCH BENCH_OUT'

# ---- how things are made ----

.PHONY: test-programs count fuzzers engine-library

# Each of these is made by a second make: the first one installs packages, and a Makefile looks at them when it is read.
test-programs: $(TESTS) $(FAULT_PRELOADS) side build
	$(if $(DRIVERS),$(MAKE) VARIANT=plain $(DRIVERS))

# The counts of the run before are added to otherwise.
count:
	find $(B) -name '*.gcda' -delete
	@scripts/test.sh $(B) $(VARIANT) $(JOBS) $(TESTS); tested=$$?; scripts/coverage.py $(B) && exit $$tested

fuzzers: $(FUZZERS)

engine-library:
	scripts/engine.sh $(ENGINE_CACHE)

$(B)/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	$(COMPILE) $(WARNINGS) $(CFLAGS_$(VARIANT)) $(CFLAGS) -c $< -o $@

# protoc-c's code is not held to our warnings.
$(B)/proto/cairn.pb-c.o: $(B)/proto/cairn.pb-c.c
	$(COMPILE) -w $(CFLAGS_$(VARIANT)) $(CFLAGS) -c $< -o $@

$(B)/proto/cairn.pb-c.c: $(GENERATED)

$(GENERATED): proto/cairn.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=. --c_out=$(B) $<

# Changes only when another RocksDB is to be linked.
$(B)/engine: FORCE
	@mkdir -p $(@D)
	@echo '$(ENGINE_BUILD) $(ENGINE_VERSION)' | cmp -s - $@ || echo '$(ENGINE_BUILD) $(ENGINE_VERSION)' > $@

$(B)/daemon/engine/rocksdb/rocks_open.o: CFLAGS += -DENGINE_BUILD='"$(ENGINE_BUILD)"' -DENGINE_VERSION='"$(ENGINE_VERSION)"'
$(B)/daemon/engine/rocksdb/rocks_open.o: $(B)/engine

$(PROTO) $(DAEMON) $(CLIENT) $(TOOL) $(MAINS): CFLAGS += $(OURS_CFLAGS_$(VARIANT))
$(SIDE): CFLAGS += $(LTO_CFLAGS_$(VARIANT))
$(B)/cairnd $(B)/cairn $(B)/bench/side: LINK_LTO = $(LTO_LDFLAGS_$(VARIANT))

$(B)/cairnd: $(B)/daemon/main.o $(DAEMON) $(PROTO) $(B)/engine
	$(LINK) $(filter %.o,$^) $(DAEMON_LIBS) -o $@

$(B)/cairn: $(B)/client/tool/main.o $(TOOL) $(CLIENT) $(PROTO)
	$(LINK) $^ $(TOOL_LIBS) -o $@

# What the static library keeps to itself is hidden, so that no name of ours meets one of a user's.
$(B)/libcairn.a: $(CLIENT) $(PROTO)
	ld -r $^ -o $(B)/libcairn.o
	objcopy --localize-hidden --remove-section='.gnu.lto_*' --remove-section='.gnu.debuglto_*' $(B)/libcairn.o
	rm -f $@
	ar rcs $@ $(B)/libcairn.o

$(B)/$(SONAME): $(CLIENT) $(PROTO) client/cairn.map
	$(CC) $(LTO_LDFLAGS_$(VARIANT)) -shared -pthread -Wl,--as-needed -Wl,-soname,$(SONAME) -Wl,--version-script=client/cairn.map \
		$(LDFLAGS_$(VARIANT)) $(LDFLAGS) $(filter %.o,$^) $(CLIENT_LIBS) -o $@

$(B)/libcairn.so: $(B)/$(SONAME)
	ln -sf $(SONAME) $@

# They include the library's headers as they are installed.
$(B)/client/examples/%.o $(B)/tests/integration/test_uv.o: CFLAGS += -Iclient

$(B)/examples/%: $(B)/client/examples/%.o $(B)/libcairn.a
	@mkdir -p $(@D)
	$(LINK) $^ $(CLIENT_LIBS) -luv -o $@

# A unit test or fuzz entry may use any module, an integration test what both ends share and the client; the linker takes
# from these what is used.
SHARED_ARCHIVES := $(B)/tests/lib.a $(B)/tests/client.a $(B)/tests/proto.a
ARCHIVES := $(B)/tests/daemon.a $(B)/tests/tool.a $(SHARED_ARCHIVES)

$(B)/tests/daemon.a: $(DAEMON)
$(B)/tests/tool.a: $(TOOL)
$(B)/tests/client.a: $(CLIENT)
$(B)/tests/lib.a: $(TEST_LIB)
$(B)/tests/proto.a: $(PROTO)
$(B)/tests/fault.a: $(FAULT_LIB)
$(ARCHIVES) $(B)/tests/fault.a:
	@mkdir -p $(@D)
	rm -f $@
	ar rcs $@ $^

$(FAILING_TESTS): LDFLAGS += -Wl,--wrap=malloc,--wrap=realloc,--wrap=pthread_create
$(B)/tests/unit/test_connection_read: LDFLAGS += -Wl,--wrap=uv_read_start
$(B)/tests/unit/test_output: LDFLAGS += -Wl,--wrap=uv_write
$(B)/tests/unit/test_connection_set: LDFLAGS += -Wl,--wrap=uv_pipe_init,--wrap=uv_accept
$(FAILING_TESTS): $(B)/tests/lib/failing/failing.o
$(PROGRAMS) $(B)/$(SONAME) $(EXAMPLES) $(TESTS) $(B)/bench/side: | $(COUNTING)

LINK_TEST = $(LINK) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
	$(CHECK_LIBS) $(DAEMON_LIBS) $(TOOL_LIBS) -o $@

$(B)/tests/unit/test_%: $(B)/tests/unit/test_%.o $(ARCHIVES) $(B)/engine
	$(LINK_TEST)

$(B)/tests/integration/test_%: $(B)/tests/integration/test_%.o $(SHARED_ARCHIVES)
	$(LINK_TEST)

$(B)/tests/fault/test_%: $(B)/tests/fault/test_%.o $(B)/tests/fault.a $(ARCHIVES) $(B)/engine
	$(LINK_TEST)

$(B)/tests/fault/preload_%.so: $(B)/tests/fault/preload_%.o
	$(CC) -shared -pthread $< -o $@

# It stands on a fixture of the unit tests, whose asserts call Check, and no Check runs.
$(B)/tests/fuzz/fuzz_session: LDFLAGS += -Wl,--wrap=_mark_point,--wrap=_ck_assert_failed

ifeq ($(VARIANT),fuzz)
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(ARCHIVES) $(B)/engine
	$(LINK_TEST) -fsanitize=fuzzer
else
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/replay.o $(ARCHIVES) $(B)/engine
	$(LINK_TEST)
endif

# What cairn is compared with: built as the daemon is, with the same engine.
side: $(B)/bench/side

$(B)/bench/side: $(SIDE) $(B)/tests/daemon.a $(B)/tests/tool.a $(B)/tests/client.a $(B)/tests/proto.a $(B)/engine
	@mkdir -p $(@D)
	$(LINK) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(DAEMON_LIBS) $(TOOL_LIBS) -lm -o $@

# ---- installation ----

# Libraries lie where the distribution's own lie below PREFIX: the linker and pkg-config look there.
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
LIBDIR := $(PREFIX)/lib$(addprefix /,$(MULTIARCH))
UNITDIR := $(PREFIX)/lib/systemd/system
DOCDIR := $(PREFIX)/share/doc/cairn
COMPLETIONS_BASH := $(PREFIX)/share/bash-completion/completions
COMPLETIONS_ZSH := $(PREFIX)/share/zsh/site-functions
COMPLETIONS_FISH := $(PREFIX)/share/fish/vendor_completions.d
D := $(DESTDIR)
SUBSTITUTE := sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' -e 's|@VERSION@|$(VERSION)|g' \
	-e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@INCLUDEDIR@|$(PREFIX)/include|g'
# A unit for the one daemon, and one for each of several: cairnd@NAME.
UNIT := $(SUBSTITUTE) -e '/@SANDBOX@/{r scripts/systemd/sandbox' -e 'd}'
UNIT_ONE := -e 's|@AT@||g; s|@OF@||g; s|@STATE@|cairn|g; s|@CONFIG@|$(SYSCONFDIR)/cairn/cairnd.conf|g'
UNIT_EACH := -e 's|@AT@|@%i|g; s|@OF@| of %i|g; s|@STATE@|cairn-%i|g; s|@CONFIG@|$(SYSCONFDIR)/cairn/%i.conf|g'
# Documents keep their places to each other, so that their links lead somewhere.
DOCUMENTS := README.md CHANGELOG.md CONTRIBUTING.md UPGRADING.md LICENSE scripts/cairnd.conf proto/PROTOCOL.md proto/cairn.proto \
	client/cairn.h client/cairn_uv.h client/tool/ERRORS.md client/python/README.md client/go/README.md client/go/MIGRATING.md client/go/UPSTREAM.md daemon/README.md daemon/schema/FORMAT.md tests/bench/README.md tests/fault/README.md

install: ## install under PREFIX (/usr/local), below DESTDIR; builds first what is missing
	scripts/dependencies.sh --install
	$(MAKE) -j$(JOBS) install-files
	test -n "$(D)" || scripts/installed.sh $(PREFIX)

install-strip: ## the same without the symbols that only a debugger needs
	scripts/dependencies.sh --install
	$(MAKE) -j$(JOBS) install-files STRIP=yes
	test -n "$(D)" || scripts/installed.sh $(PREFIX)

.PHONY: install install-strip install-files uninstall
install-files: build
	install -d $(D)$(PREFIX)/bin $(D)$(PREFIX)/include $(D)$(LIBDIR)/pkgconfig $(D)$(UNITDIR) $(D)$(PREFIX)/lib/sysusers.d \
		$(D)$(COMPLETIONS_BASH) $(D)$(COMPLETIONS_ZSH) $(D)$(COMPLETIONS_FISH) $(D)$(DOCDIR) $(D)$(SYSCONFDIR)/cairn
	install $(if $(STRIP),-s) -m 755 $(PROGRAMS) $(D)$(PREFIX)/bin
	install -m 644 client/*.h $(D)$(PREFIX)/include
	install $(if $(STRIP),-s) -m 644 $(B)/$(SONAME) $(D)$(LIBDIR)
	install -m 644 $(B)/libcairn.a $(D)$(LIBDIR)
	$(if $(STRIP),strip --strip-debug $(D)$(LIBDIR)/libcairn.a)
	ln -sf $(SONAME) $(D)$(LIBDIR)/libcairn.so
	$(SUBSTITUTE) client/cairn.pc.in > $(D)$(LIBDIR)/pkgconfig/cairn.pc
	for unit in cairnd.service cairnd.socket cairnd-create.service; do \
		$(UNIT) $(UNIT_ONE) scripts/systemd/$$unit.in > $(D)$(UNITDIR)/$$unit; \
		$(UNIT) $(UNIT_EACH) scripts/systemd/$$unit.in > $(D)$(UNITDIR)/$${unit%.*}@.$${unit##*.}; \
	done
	install -m 644 scripts/systemd/cairn.sysusers $(D)$(PREFIX)/lib/sysusers.d/cairn.conf
	$(B)/cairn completion bash > $(D)$(COMPLETIONS_BASH)/cairn
	ln -sf cairn $(D)$(COMPLETIONS_BASH)/cairnd
	$(B)/cairn completion zsh > $(D)$(COMPLETIONS_ZSH)/_cairn
	$(B)/cairn completion fish > $(D)$(COMPLETIONS_FISH)/cairn.fish
	ln -sf cairn.fish $(D)$(COMPLETIONS_FISH)/cairnd.fish
	scripts/manuals.py $(B) $(B)/manuals VERSION=$(VERSION) DOCDIR=$(DOCDIR) SYSCONFDIR=$(SYSCONFDIR)
	for page in $(B)/manuals/*; do install -D -m 644 $$page $(D)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	for document in $(DOCUMENTS) client/examples/*.c; do install -D -m 644 $$document $(D)$(DOCDIR)/$$document; done
	test -e $(D)$(SYSCONFDIR)/cairn/cairnd.conf || install -m 644 scripts/cairnd.conf $(D)$(SYSCONFDIR)/cairn

uninstall: ## remove what install put there; settings, data and the user stay
	rm -rf $(B)/installed
	$(MAKE) install-files DESTDIR=$(abspath $(B)/installed) >/dev/null
	rm -rf $(B)/installed$(SYSCONFDIR)
	cd $(B)/installed && find . ! -type d -exec rm -f $(D)/{} \;
	cd $(B)/installed && find . -depth -type d -path '*cairn*' -exec rmdir --ignore-fail-on-non-empty $(D)/{} \;
	rm -rf $(B)/installed
	test -n "$(D)" || scripts/installed.sh $(PREFIX)
	@echo 'left: $(SYSCONFDIR)/cairn, /var/lib/cairn*, and the user cairn'

-include $(shell find $(B) -name '*.d' 2>/dev/null)
