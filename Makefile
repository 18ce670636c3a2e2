# AI tenant gateway for nginx: `make help` lists the targets

.DEFAULT_GOAL := help
SHELL   := /bin/bash
BUILD   := build
CC      ?= gcc
CFLAGS_CORE := -std=c11 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE
CORE_SRC := $(wildcard src/core/*.c)
CORE_HDR := $(wildcard src/core/*.h)
UNIT_SRC := $(wildcard t/unit/test_*.c)
UNIT_BIN := $(UNIT_SRC:t/unit/%.c=$(BUILD)/unit/%)
FUZZ_SRC := $(wildcard t/fuzz/fuzz_*.c)
FUZZ_BIN := $(FUZZ_SRC:t/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZ_SECONDS ?= 20
MODULE  := $(BUILD)/ngx_http_ai_tenant_module.so

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | \
	    awk -F':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

deps:  ## install what building and testing need (Debian packages, npm, PyPI)
	@tools/deps build

build: deps $(MODULE)  ## build the module: build/ngx_http_ai_tenant_module.so

$(MODULE): config ngx_http_ai_tenant_module.c $(wildcard src/*/*.[ch])
	@tools/build $(BUILD)

unit: $(UNIT_BIN)  ## run the unit tests of src/core
	@set -e; for t in $(UNIT_BIN); do $$t; done

$(BUILD)/unit/%: t/unit/%.c $(CORE_SRC) $(CORE_HDR)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_CORE) -fsanitize=address,undefined -fno-sanitize-recover=all \
	    -Isrc/core -o $@ $< $(CORE_SRC) -lcmocka -lcrypto

fuzz: $(FUZZ_BIN)  ## run each fuzzer for FUZZ_SECONDS (20)
	@set -e; for f in $(FUZZ_BIN); do n=$$(basename $$f); \
	    mkdir -p $(BUILD)/corpus/$$n; \
	    $$f -max_total_time=$(FUZZ_SECONDS) -timeout=5 -print_final_stats=1 \
	        $(BUILD)/corpus/$$n $$(ls -d t/fuzz/corpus/$$n 2>/dev/null); done

$(BUILD)/fuzz/%: t/fuzz/%.c $(CORE_SRC) $(CORE_HDR)
	@mkdir -p $(@D)
	clang $(CFLAGS_CORE) -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=all -Isrc/core -o $@ $< $(CORE_SRC) -lcrypto

# the ledger's own tests: its event layer and stand-ins for nginx, no server

LEDGER_SRC := $(addprefix src/event/ngx_ai_,$(addsuffix .c,ledger segment \
	sink ship reaper rebuild usage ids rotate sums report))
NGINX_INC := $(addprefix -I/usr/share/nginx/src/src/,core event \
	event/modules os/unix) -I$(BUILD)/nginx
KILLS ?= 100

ledger-test: $(BUILD)/event/test_ledger  ## the ledger under KILLS (100) kills
	@$< $(KILLS)

$(BUILD)/event/test_ledger: $(wildcard t/event/*.[ch]) $(LEDGER_SRC) \
    $(wildcard src/event/*.h) $(CORE_SRC) $(CORE_HDR) $(MODULE)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Wno-unused-parameter \
	    -Wno-unused-result -D_GNU_SOURCE $(NGINX_INC) -o $@ \
	    $(wildcard t/event/*.c) $(LEDGER_SRC) $(CORE_SRC) -lcrypto -lpthread

segments: $(BUILD)/ai-ledger  ## show the slots of a ledger segment: FILE=...
	@$< $(FILE)

$(BUILD)/ai-ledger: tools/ai-ledger.c $(CORE_SRC) $(CORE_HDR)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_CORE) -o $@ $< $(CORE_SRC) -lcrypto

.PHONY: ledger-test segments

clean:  ## remove what was built
	rm -rf $(BUILD)

.PHONY: help deps build unit fuzz clean
