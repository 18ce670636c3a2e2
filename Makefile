# AI tenant gateway for nginx: `make help` lists the targets

.DEFAULT_GOAL := help
SHELL   := /bin/bash
BUILD   := build
CC      := gcc
SO      := ngx_http_ai_tenant_module.so
MODULE  := $(BUILD)/$(SO)

CORE_SRC := $(wildcard src/core/*.c)
CORE_HDR := $(wildcard src/core/*.h)
MODULE_SRC := config ngx_http_ai_tenant_module.c $(wildcard src/*/*.[ch])
C_FILES := ngx_http_ai_tenant_module.c $(wildcard src/*/*.[ch])

CFLAGS_CORE := -std=c11 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -Isrc/core
SANITIZE := -fsanitize=address,undefined -fno-omit-frame-pointer

UNIT_SRC := $(wildcard t/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:t/unit/%.c=$(BUILD)/unit/%)
UNIT_OBJ := $(CORE_SRC:src/core/%.c=$(BUILD)/unit/core/%.o)
FUZZ_SRC := $(wildcard t/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:t/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZ_OBJ := $(CORE_SRC:src/core/%.c=$(BUILD)/fuzz/core/%.o)
FUZZ_SECONDS ?= 20

TESTS   ?= $(wildcard t/*.t)
JOBS    ?= 2

# without nginx, or without much of it, there is nothing for sanitizers

WITHOUT_NGINX := t/layers.t t/translate_table.t t/newcomer.t t/sdk.t \
	t/alerts_webhook.t t/model.t t/harness_redis.t t/lease_sim.t \
	$(wildcard t/sql_*.t t/lease_script*.t)

# what "make test" has time for: "make asan" and "make valgrind" run more

ASAN_SOME := $(filter-out $(WITHOUT_NGINX) $(wildcard t/billing_*.t \
	t/directory_*.t t/conf_*.t) t/lease_nodes.t t/lease_cluster.t \
	t/lease_alone.t t/lease_aborts.t t/admin_http.t t/capacity_shares.t \
	t/choose_weights.t t/canary_steps.t,$(TESTS))
VALGRIND_SOME := $(wildcard t/answer_*.t t/cache_hits.t t/errors_dialect.t \
	t/fallback_cached.t t/fallback_dialects.t t/fallback_keys.t \
	t/headers_forwarded.t t/identity_keys.t t/ledger_kill.t t/limit_headers.t \
	t/metering_cut.t t/reload_streams.t)

# valgrind leaves out what sends thousands of requests or measures time
VALGRIND_TESTS ?= $(filter-out $(WITHOUT_NGINX) $(NOT_VALGRIND:%=t/%.t),$(TESTS))
NOT_VALGRIND := conf_errors conf_scale request_flood request_tricks \
	request_smuggling route_paths limit_race limit_endpoints limit_windows \
	limit_queue limit_shared ledger_disk metering_drop pg_faults pg_hostile \
	pg_pooler pg_tls billing_budget billing_faults billing_revoke \
	lease_alone lease_nodes lease_cluster lease_aborts redis_faults \
	redis_hostile redis_cluster capacity_shares capacity_chaos fallback_matrix \
	fallback_times fallback_flapping

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | \
	    awk -F':.*## ' '{ printf "  make %-16s %s\n", $$1, $$2 }'

deps:  ## install what building and testing need (Debian, PyPI, npm)
	@tools/deps test

build:  ## build/ngx_http_ai_tenant_module.so, against Debian's nginx
	@tools/deps build
	@$(MAKE) -s $(MODULE)

$(MODULE): $(MODULE_SRC) tools/build
	@tools/build $(BUILD)

# the clients of PostgreSQL and of Redis (ngx_http_redis_test_module.so) under
# directives of the tests' own, t/pg_*.t and t/redis_*.t

PG_TEST_SRC := $(wildcard t/module/*) $(MODULE_SRC)

$(BUILD)/module/ngx_http_pg_test_module.so: $(PG_TEST_SRC) tools/build
	@tools/build $(@D) '' t/module

$(BUILD)/asan/module/ngx_http_pg_test_module.so: $(PG_TEST_SRC) tools/build
	@tools/build $(@D) '$(SANITIZE) -O1' t/module

test-module: $(BUILD)/module/ngx_http_pg_test_module.so

run: build  ## a gateway on 127.0.0.1:8080 to try, with stand-in providers
	@tools/demo

key:  ## make a tenant's key, and the line of the configuration for it
	@tools/key

ledger:  ## show the rows of the demo's ledger
	@tools/ledger $(BUILD)/demo/ledger

db:  ## a PostgreSQL in build/db with the schema of sql/, for make run
	@tools/deps db
	@tools/db local

test: deps build test-module  ## everything: the last line is "Result: PASS"
	@$(MAKE) -s -j$(JOBS) unit
	@$(MAKE) -s directory-test
	@$(MAKE) -s lease-test spool-test ledger-test KILLS=10
	@$(MAKE) -s -j$(JOBS) fuzz FUZZ_SECONDS=4
	prove -j$(JOBS) $(TESTS)
	@$(MAKE) -s asan TESTS='$(ASAN_SOME)' JOBS=3
	@$(MAKE) -s valgrind VALGRIND_TESTS='$(VALGRIND_SOME)' JOBS=3

check: build  ## the layers, the layout and the tests without tools
	prove t/layers.t

unit: $(UNIT_BIN)  ## the unit tests of src/core, with sanitizers
	@set -e; for t in $(UNIT_BIN); do \
	    $$t > $$t.log 2>&1 || { cat $$t.log; exit 1; }; done
	@grep -hE 'tests? run|PASSED' $(UNIT_BIN:%=%.log) | \
	    awk '/PASSED/ { n += $$4 } END { print "unit: " n+0 " tests passed" }'

$(BUILD)/unit/core/%.o: src/core/%.c $(CORE_HDR)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_CORE) $(SANITIZE) -fno-sanitize-recover=all -c -o $@ $<

$(BUILD)/unit/%: t/unit/%.c $(UNIT_OBJ) $(wildcard t/unit/*.h)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_CORE) $(SANITIZE) -fno-sanitize-recover=all -o $@ $< \
	    $(UNIT_OBJ) -lcmocka -lcrypto

fuzz: $(FUZZ_BIN)  ## each fuzzer for FUZZ_SECONDS (20)
	@set -e; for f in $(FUZZ_BIN); do n=$$(basename $$f); \
	    mkdir -p $(BUILD)/corpus/$$n; \
	    $$f -max_total_time=$(FUZZ_SECONDS) -timeout=5 \
	        -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/ \
	        $(BUILD)/corpus/$$n $$(ls -d t/fuzz/corpus/$$n 2>/dev/null) \
	        > $$f.log 2>&1 || { tail -60 $$f.log; exit 1; }; \
	    awk -v n=$$n '/number_of_executed_units/ { \
	        print n ": " $$2 " runs" }' $$f.log; done

$(BUILD)/fuzz/core/%.o: src/core/%.c $(CORE_HDR)
	@mkdir -p $(@D)
	clang $(CFLAGS_CORE) -fsanitize=fuzzer-no-link,address,undefined \
	    -fno-sanitize-recover=all -c -o $@ $<

$(BUILD)/fuzz/%: t/fuzz/%.c $(FUZZ_OBJ) $(wildcard t/fuzz/*.h)
	@mkdir -p $(@D)
	clang $(CFLAGS_CORE) -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=all -o $@ $< $(FUZZ_OBJ) -lcrypto

# Debian's nginx has no sanitizer: the runtime is loaded before it.  Pools are
# nginx's own, so what it leaves at exit is no leak of ours.

ASAN_ENV = AI_MODULE=$(CURDIR)/$(BUILD)/asan/$(SO) AI_TIMEOUT_FACTOR=3 \
	AI_PRELOAD="$$($(CC) -print-file-name=libasan.so) \
	    $$($(CC) -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0:abort_on_error=1 \
	UBSAN_OPTIONS=print_stacktrace=1

asan: $(BUILD)/asan/$(SO) $(BUILD)/asan/module/ngx_http_pg_test_module.so  ## t/*.t with AddressSanitizer and UBSan
	$(ASAN_ENV) prove -j$(JOBS) $(filter-out $(WITHOUT_NGINX),$(TESTS))

$(BUILD)/asan/$(SO): $(MODULE_SRC) tools/build
	@tools/build $(BUILD)/asan '$(SANITIZE) -O1'

valgrind: $(MODULE) test-module  ## most of t/*.t under valgrind
	AI_VALGRIND=1 AI_TIMEOUT_FACTOR=10 prove -j$(JOBS) $(VALGRIND_TESTS)

bench: build $(BUILD)/standin $(BUILD)/streams  ## side by side with bare nginx
	@t/bench/run $(ROWS)

$(BUILD)/standin $(BUILD)/streams: $(BUILD)/%: t/bench/%.c t/bench/fates.h
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -o $@ $<

# the script that Redis runs, as a string of the module's

LUA_H := src/event/ngx_ai_lease_lua.h

lua: $(LUA_H)  ## the header of src/event/lease.lua

$(LUA_H): src/event/lease.lua tools/lua2c
	@tools/lua2c $< > $@.new && mv $@.new $@

# nodes, the script and redis-servers under schedules of faults, in simulated
# time; SEED=N: the first (1), AI_SIM_TRACE=1: what happens, MUTANT=NAME: a rule
# is left out

SEEDS ?= 300

lease-sim: $(BUILD)/sim/lease  ## SEEDS (300) schedules of faults between nodes
	@$< $(SEEDS) "$(SEED)" "$(MUTANT)"

$(BUILD)/sim/lease: $(wildcard t/sim/*) $(LUA_H) $(CORE_SRC) $(CORE_HDR)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_CORE) -o $@ $(filter %.c,$^) -lhiredis -lcrypto

kill-test: build $(BUILD)/standin  ## 1000 kills of workers under load (long)
	prove -v t/long/kills.t

schedules: build  ## N (1000) schedules of faults between nodes and Redis (long)
	SCHEDULES=$(or $(N),1000) prove -v t/lease_nodes.t

aborts: build  ## N (100000) requests given up, with Redis (long)
	ABORTS=$(or $(N),100000) prove -v t/lease_aborts.t

# a small quarantine, for the memory to be flat

FLAPPING_ASAN := detect_leaks=0:detect_odr_violation=0:abort_on_error=1:quarantine_size_mb=4

flapping: build $(BUILD)/asan/$(SO) $(BUILD)/standin  ## N (1000000) requests over providers that flap (long)
	$(ASAN_ENV) AI_REQUESTS=$(or $(N),1000000) \
	    ASAN_OPTIONS=$(FLAPPING_ASAN) \
	    prove -v t/long/flapping.t

flapping-mutants: build $(BUILD)/standin  ## what the replay of breakers notices (long)
	prove -v t/long/replay_mutants.t

shares: build  ## what plans get of a full provider, AI_SHARES (10) s a row
	@AI_SHARES=$${AI_SHARES:-10} prove -v t/capacity_shares.t \
	    t/long/shares.t 2>&1 | grep -E '^# |^not ok|^Result'

model:  ## the model of the leases, with more of everything (long)
	AI_MODEL=large prove -v t/model.t

format:  ## lay the C sources out as nginx does
	@tools/format $(C_FILES)

# the ledger's own tests: its event layer and stand-ins for nginx, no server

LEDGER_SRC := $(addprefix src/event/ngx_ai_,$(addsuffix .c,cursor fold ids \
	ledger ledger_thread node reaper rebuild report rotate segment \
	segment_slot ship sink sink_scan spool spool_file sums usage))
NGINX_INC := $(addprefix -I/usr/share/nginx/src/src/,core event \
	event/modules os/unix) -I$(BUILD)/nginx
KILLS ?= 100

# small batches and files, so that few rows have them all

SPOOL_DEF := -DNGX_AI_SPOOL_BATCH=16384 -DNGX_AI_SPOOL_LARGE=65536 \
	-DNGX_AI_SPOOL_AGE=300

ledger-test: $(BUILD)/event/test_ledger  ## the ledger under KILLS (100) kills
	@$< $(KILLS)

spool-test: $(BUILD)/event/test_spool  ## shipping under 3 * KILLS kills
	@$< $$((3 * $(KILLS)))

$(BUILD)/event/test_%: t/event/test_%.c t/event/nginx.c $(wildcard t/event/*.h) \
    $(LEDGER_SRC) $(wildcard src/event/*.h) $(CORE_SRC) $(CORE_HDR) $(MODULE)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Wno-unused-parameter \
	    -Wno-unused-result -D_GNU_SOURCE $(SPOOL_DEF) $(NGINX_INC) -o $@ \
	    $< t/event/nginx.c $(LEDGER_SRC) $(CORE_SRC) -lcrypto -lpthread

# the directory's zone and snapshot, in the same way

directory-test: $(BUILD)/event/test_directory  ## the directory's snapshot
	@$<

$(BUILD)/event/test_directory: t/event/test_directory.c t/event/nginx.c \
    t/event/nginx.h $(wildcard src/event/*.[ch]) $(CORE_SRC) $(CORE_HDR) \
    $(MODULE)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Wno-unused-parameter \
	    -Wno-unused-result -D_GNU_SOURCE -I$(shell pg_config --includedir) \
	    $(NGINX_INC) -o $@ $< t/event/nginx.c \
	    src/event/ngx_ai_directory.c src/event/ngx_ai_snapshot.c \
	    $(CORE_SRC) -lcrypto -lpthread

# redis.state, and who of other starts lives

LEASE_SRC := $(addprefix src/event/ngx_ai_,lease_file.c segment.c \
	segment_alive.c segment_slot.c)

lease-test: $(BUILD)/event/test_lease  ## what leases keep under KILLS (100)
	@$< $(KILLS)

$(BUILD)/event/test_lease: t/event/test_lease.c t/event/nginx.c \
    t/event/nginx.h $(LEASE_SRC) $(wildcard src/event/*.h) $(CORE_SRC) \
    $(CORE_HDR) $(MODULE)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Wno-unused-parameter \
	    -Wno-unused-result -D_GNU_SOURCE $(NGINX_INC) -o $@ $< \
	    t/event/nginx.c $(LEASE_SRC) $(CORE_SRC) -lcrypto -lpthread

segments: $(BUILD)/ai-ledger  ## show the slots of a ledger segment: FILE=...
	@$< $(FILE)

$(BUILD)/ai-ledger: tools/ai-ledger.c $(CORE_SRC) $(CORE_HDR)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_CORE) -o $@ $< $(CORE_SRC) -lcrypto

.PHONY: coverage directory-test lease-sim lease-test ledger-test lua model \
	segments spool-test

coverage:  ## lines of src/core that the unit tests run
	@tools/coverage $(BUILD)/coverage

clean:  ## remove what was built, save the SDKs
	@[ ! -e $(BUILD)/db/data/postmaster.pid ] || tools/db stop
	rm -rf $(filter-out $(BUILD)/venv $(BUILD)/node,$(wildcard $(BUILD)/*)) \
	    $(BUILD)/.deps-build

.PHONY: coverage help deps build test-module run key ledger test check unit fuzz asan valgrind \
	bench kill-test schedules aborts flapping flapping-mutants shares format clean
.SECONDARY:
