-- Schema ai: what a platform team keeps, and what the gateways write.
--
-- Money is bigint nano-dollars (_nanos), save in usage_logs, which has the
-- columns of usage.jsonl and so dollars with nine places.  Names that the
-- gateway meets are text of nginx.conf's alphabet (ai.name), at most 64 bytes.
-- Every object belongs to ai_owner, which nobody logs in as; what the other
-- roles may do stands in 002_security.sql.

CREATE DOMAIN name AS text COLLATE "C"
    CHECK (VALUE ~ '^[A-Za-z0-9._:@/-]{1,64}$');

CREATE DOMAIN nanos AS bigint;


-- ---- who may do what -------------------------------------------------------

-- The words are those of an ai_plan block.  origin 'conf': registered by a
-- gateway whose nginx.conf has the block; SQL must not change such a row.

CREATE TABLE plans (
    name            ai.name PRIMARY KEY,
    origin          text NOT NULL DEFAULT 'sql' CHECK (origin IN ('sql', 'conf')),
    models          text[] NOT NULL DEFAULT '{}',   -- patterns, '*' is any run
    max_output      integer CHECK (max_output > 0),
    on_store_loss   text NOT NULL DEFAULT 'local'
                    CHECK (on_store_loss IN ('local', 'closed', 'open')),
    unbounded       text CHECK (unbounded IN ('allow', 'refuse')),
    on_abort        text NOT NULL DEFAULT 'cancel'
                    CHECK (on_abort IN ('cancel', 'drain')),
    on_revoke       text NOT NULL DEFAULT 'cut'     -- open streams of a key
                    CHECK (on_revoke IN ('cut', 'finish')),
    priority        text NOT NULL DEFAULT 'best_effort'
                    CHECK (priority IN ('best_effort', 'guaranteed', 'dedicated')),
    share           integer CHECK (share BETWEEN 1 AND 100),
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tenants (
    name            ai.name PRIMARY KEY,
    plan            ai.name NOT NULL REFERENCES plans,
    origin          text NOT NULL DEFAULT 'sql' CHECK (origin IN ('sql', 'conf')),
    state           text NOT NULL DEFAULT 'active'
                    CHECK (state IN ('active', 'suspended')),
    prepaid         boolean NOT NULL DEFAULT false, -- spends credits only
    labels          jsonb NOT NULL DEFAULT '{}'
                    CHECK (jsonb_typeof(labels) = 'object'
                           AND octet_length(labels::text) <= 256),
    alert_shares    integer[] NOT NULL DEFAULT '{50,80,100}',   -- per cent
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    tenant          ai.name NOT NULL REFERENCES tenants,
    name            ai.name NOT NULL,
    email           text CHECK (octet_length(email) <= 320),
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, name)
);

-- A key is known by SHA-256 of its text; prefix is what may be shown
-- ("sk_ai_Ab12").  A rotated key keeps its name: both digests have it until
-- the older one expires, and count in the same limits.

CREATE TABLE api_keys (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant          ai.name NOT NULL REFERENCES tenants,
    name            ai.name NOT NULL,
    digest          bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    prefix          text NOT NULL CHECK (octet_length(prefix) <= 16),
    user_name       ai.name,
    models          text[],                 -- NULL: as the plan
    expires_at      timestamptz,
    revoked_at      timestamptz,
    rotated_to      bigint REFERENCES api_keys,
    created_at      timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant, user_name) REFERENCES users (tenant, name)
);

CREATE INDEX ON api_keys (tenant, name);

-- A limit of a plan (for each tenant; per_key: for each key), of a tenant
-- (over the plan's of the same resource and period; per_key: for each of its
-- keys) or of one key.  Amounts: requests, tokens, or nano-dollars.

CREATE TABLE rate_limits (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan            ai.name REFERENCES plans ON DELETE CASCADE,
    tenant          ai.name REFERENCES tenants,
    key             ai.name,
    per_key         boolean NOT NULL DEFAULT false,
    resource        text NOT NULL CHECK (resource IN ('requests', 'tokens',
                        'input_tokens', 'output_tokens', 'cost',
                        'concurrency')),
    period          text NOT NULL
                    CHECK (period IN ('s', 'm', 'h', 'day', 'month', '')),
    amount          bigint NOT NULL CHECK (amount BETWEEN 0 AND 4503599627370496),
    burst           bigint CHECK (burst BETWEEN 1 AND 4503599627370496),
    CHECK ((plan IS NULL) <> (tenant IS NULL)),
    CHECK (key IS NULL OR (tenant IS NOT NULL AND NOT per_key)),
    CHECK ((resource = 'concurrency') = (period = '')),
    CHECK (burst IS NULL OR period IN ('s', 'm', 'h'))
);

CREATE UNIQUE INDEX rate_limits_once ON rate_limits
    (coalesce(plan, ''), coalesce(tenant, ''), coalesce(key, ''), per_key,
     resource, period);

CREATE INDEX ON rate_limits (tenant);
CREATE INDEX ON rate_limits (plan);

-- ids of files, batches, ... that a tenant made at a provider

CREATE TABLE owned_resources (
    provider        text COLLATE "C" NOT NULL,
    kind            text COLLATE "C" NOT NULL,
    id              text COLLATE "C" NOT NULL,
    tenant          ai.name NOT NULL REFERENCES tenants,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, kind, id)
);


-- ---- prices ----------------------------------------------------------------

-- One line of "price": USD per million tokens by class; classes that are NULL
-- fall back as in nginx.conf.  list 'default' is billed; any other is a
-- comparison ("list" for the provider's public price).

CREATE TABLE prices (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list            ai.name NOT NULL DEFAULT 'default',
    model           ai.name NOT NULL,
    origin          text NOT NULL DEFAULT 'sql' CHECK (origin IN ('sql', 'conf')),
    valid_from      timestamptz NOT NULL DEFAULT '-infinity',
    tier            text NOT NULL DEFAULT 'standard'
                    CHECK (tier IN ('standard', 'flex', 'priority', 'batch', 'fast')),
    above           bigint NOT NULL DEFAULT 0 CHECK (above >= 0),
    classes         jsonb NOT NULL,     -- {"input": 2.00, "output": 8.00, ...}
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (list, model, valid_from, tier, above)
);

CREATE TABLE unit_prices (
    list            ai.name NOT NULL DEFAULT 'default',
    model           ai.name NOT NULL,
    origin          text NOT NULL DEFAULT 'sql' CHECK (origin IN ('sql', 'conf')),
    unit            text NOT NULL CHECK (unit IN ('web_search', 'web_fetch',
                        'audio_second', 'character', 'image', 'request')),
    usd             numeric(20,9) NOT NULL CHECK (usd >= 0),
    valid_from      timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (list, model, unit, valid_from)
);


-- ---- usage -----------------------------------------------------------------

-- The rows of the ledger, under the names of usage.jsonl, null where its lines
-- have null (tokens and cost: where usage_source is none).  id is a UUIDv7,
-- whose first 48 bits are milliseconds: partitions are months of ids (UTC), so
-- that the primary key alone makes a row unique for ever.  time, of the
-- admission, is within a day of the id's.  Partitions are made ahead and
-- dropped by 003_ship.sql.

CREATE TABLE usage_logs (
    id                  uuid NOT NULL PRIMARY KEY,
    time                timestamptz(3) NOT NULL,
    tenant              text COLLATE "C" NOT NULL,
    key                 text COLLATE "C" NOT NULL,
    plan                text COLLATE "C",
    labels              jsonb NOT NULL,
    api                 text COLLATE "C",
    model               text COLLATE "C",
    served_model        text COLLATE "C",
    provider            text COLLATE "C",
    attempts            jsonb NOT NULL,
    stream              boolean NOT NULL,
    status              text COLLATE "C" NOT NULL,
    http_status         integer,
    state               text COLLATE "C" NOT NULL,
    usage_source        text COLLATE "C" NOT NULL,
    stream_complete     boolean NOT NULL,
    client_aborted      boolean NOT NULL,
    input_tokens        bigint,
    cache_read_tokens   bigint,
    cache_write_tokens  bigint,
    output_tokens       bigint,
    reasoning_tokens    bigint,
    classes             jsonb NOT NULL,
    units               jsonb NOT NULL,
    sub                 jsonb NOT NULL,
    cost_usd            numeric(20,9),
    price_version       text COLLATE "C" NOT NULL,
    hold_usd            numeric(20,9) NOT NULL,
    finish_reason       text COLLATE "C",
    first_byte_ms       bigint,
    duration_ms         bigint NOT NULL,
    request_bytes       bigint NOT NULL,
    response_bytes      bigint NOT NULL,
    node                uuid NOT NULL,
    content             bigint NOT NULL,    -- hash of the line as shipped
    shipped_at          timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (id);

CREATE INDEX ON usage_logs (tenant, time);
CREATE INDEX ON usage_logs USING brin (time);

-- Sums kept in the transaction that inserts the rows.  node is in the key, so
-- that gateways never wait for each other.

CREATE TABLE usage_hourly (
    hour                timestamptz NOT NULL,
    tenant              text COLLATE "C" NOT NULL,
    key                 text COLLATE "C" NOT NULL,
    model               text COLLATE "C" NOT NULL,
    provider            text COLLATE "C" NOT NULL,
    labels              jsonb NOT NULL,
    node                uuid NOT NULL,
    requests            bigint NOT NULL,
    input_tokens        bigint NOT NULL,
    cache_read_tokens   bigint NOT NULL,
    cache_write_tokens  bigint NOT NULL,
    output_tokens       bigint NOT NULL,
    reasoning_tokens    bigint NOT NULL,
    cost_nanos          ai.nanos NOT NULL,
    PRIMARY KEY (hour, tenant, key, model, provider, labels, node)
) WITH (fillfactor = 80);

CREATE INDEX ON usage_hourly (tenant, hour);

-- What a tenant and each of its keys used by day (UTC, of the admission): what
-- budgets are judged by.  key '' is the tenant's own sum.  requests counts as
-- limits do, here and in usage_hourly: a row in state 'refused' is none.

CREATE TABLE spend (
    tenant              text COLLATE "C" NOT NULL,
    key                 text COLLATE "C" NOT NULL,
    day                 date NOT NULL,
    node                uuid NOT NULL,
    requests            bigint NOT NULL,
    input_tokens        bigint NOT NULL,
    output_tokens       bigint NOT NULL,
    cost_nanos          ai.nanos NOT NULL,
    changed             xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (tenant, key, day, node)
);

CREATE INDEX ON spend (changed);

-- Lines that could not become rows, or came again with other content.

CREATE TABLE quarantine (
    n               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now(),
    node            uuid NOT NULL,
    id              uuid,               -- where the line has one
    line            bytea NOT NULL,
    reason          text NOT NULL
);

-- a batch that is sent again quarantines its lines once; a line may be longer
-- than what an index takes

CREATE UNIQUE INDEX quarantine_once ON quarantine (node, sha256(line));

CREATE TABLE nodes (
    node            uuid PRIMARY KEY,
    host            text NOT NULL,
    version         text NOT NULL,
    first_seen      timestamptz NOT NULL DEFAULT now(),
    last_seen       timestamptz NOT NULL DEFAULT now()
);


-- ---- money -----------------------------------------------------------------

-- Append only, double entry: the entries of a transaction come by one statement
-- and sum to zero; the trigger that sees to it stands for a foreign key too.
-- Accounts: 'tenant' (what it owes is negative), 'revenue', 'cash',
-- 'adjustment'.  A usage transaction stands for one batch of one tenant.

CREATE TABLE billing_transactions (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now(),
    tenant          text COLLATE "C" NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('usage', 'credit', 'rerate',
                        'adjustment')),
    reference       text NOT NULL DEFAULT '',
    actor           text NOT NULL DEFAULT current_user
);

CREATE INDEX ON billing_transactions (tenant, at);

CREATE TABLE billing_entries (
    transaction     bigint NOT NULL,
    tenant          text COLLATE "C" NOT NULL,  -- of the transaction
    account         text NOT NULL CHECK (account IN ('tenant', 'revenue',
                        'cash', 'adjustment')),
    amount_nanos    ai.nanos NOT NULL CHECK (amount_nanos <> 0),
    PRIMARY KEY (transaction, account)
);

-- Sum of a tenant's 'tenant' entries, in pieces by node so that nobody waits
-- (node of all zeros: administration).

CREATE TABLE balances (
    tenant          text COLLATE "C" NOT NULL,
    node            uuid NOT NULL,
    balance_nanos   ai.nanos NOT NULL,
    PRIMARY KEY (tenant, node)
) WITH (fillfactor = 50);

CREATE TABLE credits (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant          ai.name NOT NULL REFERENCES tenants,
    amount_nanos    ai.nanos NOT NULL CHECK (amount_nanos <> 0),
    reference       text NOT NULL,
    transaction     bigint NOT NULL REFERENCES billing_transactions,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant, reference)          -- a payment is credited once
);

-- Re-rating: each run, and what it changed in each row.

CREATE TABLE rerates (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now(),
    actor           text NOT NULL DEFAULT current_user,
    reason          text NOT NULL,
    model           text COLLATE "C",
    tenant          text COLLATE "C",
    from_time       timestamptz NOT NULL,
    to_time         timestamptz NOT NULL,
    rows            bigint NOT NULL DEFAULT 0,
    delta_nanos     ai.nanos NOT NULL DEFAULT 0
);

CREATE TABLE usage_corrections (
    rerate          bigint NOT NULL REFERENCES rerates,
    id              uuid NOT NULL,      -- of the row in usage_logs
    tenant          text COLLATE "C" NOT NULL,
    old_usd         numeric(20,9),
    new_usd         numeric(20,9) NOT NULL,
    PRIMARY KEY (id, rerate)
);

CREATE TABLE alerts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now(),
    tenant          text COLLATE "C" NOT NULL,
    key             text COLLATE "C" NOT NULL DEFAULT '',
    -- 'budget', 'prepaid', 'quarantine', 'clash', ...
    kind            text COLLATE "C" NOT NULL,
    -- 'cost/month', 'balance', a node
    subject         text COLLATE "C" NOT NULL DEFAULT '',
    -- '2026-11', '2026-11-21'
    period          text COLLATE "C" NOT NULL DEFAULT '',
    share           integer NOT NULL DEFAULT 0, -- per cent
    detail          jsonb NOT NULL DEFAULT '{}',
    delivered_at    timestamptz,        -- by a webhook
    UNIQUE (tenant, key, kind, subject, period, share)
);

-- What a provider says was used, imported for reconciliation.

CREATE TABLE provider_usage (
    provider        text COLLATE "C" NOT NULL,
    day             date NOT NULL,
    model           text COLLATE "C" NOT NULL,
    key             text COLLATE "C" NOT NULL DEFAULT '',
    requests        bigint,
    input_tokens    bigint NOT NULL,
    output_tokens   bigint NOT NULL,
    cost_nanos      ai.nanos,
    PRIMARY KEY (provider, day, model, key)
);


-- ---- changes and audit -----------------------------------------------------

-- One line for each change that gateways must hear of.  A gateway asks for
-- what transactions from a given xid8 on have changed, because numbers are
-- given before they commit.

CREATE TABLE changes (
    seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    changed         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    kind            text NOT NULL CHECK (kind IN ('plan', 'tenant', 'key', 'price')),
    name            text NOT NULL,      -- key: its digest in hex
    at              timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ON changes (changed);
CREATE INDEX ON changes (at);

CREATE TABLE audit (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now(),
    actor           text NOT NULL,
    action          text NOT NULL,      -- the function's name
    tenant          text COLLATE "C",
    arguments       jsonb NOT NULL DEFAULT '{}',    -- never a key or digest
    result          jsonb
);

CREATE INDEX ON audit (tenant, at);

-- What ai.maintain() keeps: one row.

CREATE TABLE housekeeping (
    one             boolean PRIMARY KEY DEFAULT true CHECK (one),
    keep            interval            -- rows of usage; NULL: for ever
                    CHECK (keep >= interval '32 days'),
    -- rows before it are dropped; none may come again
    usage_floor     timestamptz NOT NULL DEFAULT '-infinity',
    -- spend of transactions before it has been looked at for alerts
    alerts_mark     xid8 NOT NULL DEFAULT '0'
);

INSERT INTO housekeeping DEFAULT VALUES;
