-- Lines of the ledger become rows, sums, money and alerts, in one transaction.
--
-- ai.ship() takes the whole batch by one statement over sets.  Only when that
-- fails over its data does it look at each line: those that cannot become rows
-- go to quarantine, the others are shipped.  What is not the lines' fault (a
-- lock, a missing column, a full disk) fails the batch, which comes again.
--
-- Gateways never wait for each other: rows of sums have the node in their key.


-- ---- ids and partitions ----------------------------------------------------

-- the least UUIDv7 of a time

CREATE FUNCTION uuid_floor(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (lpad(to_hex(least(greatest(floor(extract(epoch FROM at) * 1000), 0),
                          281474976710655)::bigint), 12, '0')
        || '00000000000000000000')::uuid;

CREATE FUNCTION uuid_time(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_timestamp(('x0000' || left(translate(id::text, '-', ''), 12))
                    ::bit(64)::bigint / 1000.0::float8);

GRANT EXECUTE ON FUNCTION uuid_floor(timestamptz), uuid_time(uuid)
    TO ai_admin, ai_tenant;

-- Makes the partition of a month (UTC) if it is not there.  It is attached
-- when complete, which lets inserts into the others go on.

CREATE FUNCTION partition_make(month timestamptz) RETURNS boolean
LANGUAGE plpgsql
SET search_path = ai, pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    since   timestamptz := date_trunc('month', month);
    title   text := 'usage_logs_' || to_char(since, 'YYYYMM');

    present CONSTANT text := 'SELECT EXISTS (
        SELECT FROM pg_inherits
         WHERE inhparent = ''ai.usage_logs''::regclass
           AND inhrelid = to_regclass(''ai.'' || $1))';
    found   boolean;
BEGIN
    EXECUTE present INTO found USING title;

    IF found THEN
        RETURN false;
    END IF;

    PERFORM pg_advisory_xact_lock(hashtext('ai.usage_logs'));

    EXECUTE present INTO found USING title;

    IF found THEN
        RETURN false;
    END IF;

    EXECUTE format('CREATE TABLE %I (LIKE usage_logs INCLUDING ALL)', title);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', title);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', title);
    EXECUTE format('ALTER TABLE usage_logs ATTACH PARTITION %I
                        FOR VALUES FROM (%L) TO (%L)', title,
                   uuid_floor(since), uuid_floor(since + interval '1 month'));

    RETURN true;
END
$$;

-- Partitions of this month and of so many ahead; returns how many it made.

CREATE FUNCTION partitions_make(ahead integer DEFAULT 2) RETURNS integer
LANGUAGE sql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp
SET timezone = 'UTC'
BEGIN ATOMIC
    SELECT count(*) FILTER (WHERE partition_make(month))::integer
      FROM generate_series(date_trunc('month', now()),
                           now() + least(greatest(ahead, 0), 120)
                                   * interval '1 month',
                           interval '1 month') AS month;
END;

-- Drops months that are older than keep as a whole; returns how many.  Sums
-- and money stay.  Rows of such a month are never taken again, because nothing
-- would tell that they came twice.

CREATE FUNCTION partitions_drop(keep interval) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '2s'
AS $$
DECLARE
    since   timestamptz := date_trunc('month', now() - keep);
    part    text;
    n       integer := 0;
BEGIN
    IF keep IS NULL OR now() - keep > now() - interval '32 days' THEN
        RAISE EXCEPTION 'keep must be 32 days or more'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    PERFORM pg_advisory_xact_lock(hashtext('ai.usage_logs'));

    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = inhrelid
         WHERE inhparent = 'ai.usage_logs'::regclass
           AND c.relname < 'usage_logs_' || to_char(since, 'YYYYMM')
         ORDER BY 1
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        n := n + 1;
    END LOOP;

    UPDATE housekeeping SET usage_floor = since WHERE usage_floor < since;

    RETURN n;
END
$$;


-- ---- a line ----------------------------------------------------------------

-- The members of a line; others are not looked at.

CREATE TYPE usage_line AS (
    id                  uuid,
    time                timestamptz(3),
    tenant              text COLLATE "C",
    key                 text COLLATE "C",
    plan                text COLLATE "C",
    labels              jsonb,
    api                 text COLLATE "C",
    model               text COLLATE "C",
    served_model        text COLLATE "C",
    provider            text COLLATE "C",
    attempts            jsonb,
    stream              boolean,
    status              text COLLATE "C",
    http_status         integer,
    state               text COLLATE "C",
    usage_source        text COLLATE "C",
    stream_complete     boolean,
    client_aborted      boolean,
    input_tokens        bigint,
    cache_read_tokens   bigint,
    cache_write_tokens  bigint,
    output_tokens       bigint,
    reasoning_tokens    bigint,
    classes             jsonb,
    units               jsonb,
    sub                 jsonb,
    cost_usd            numeric(20,9),
    price_version       text COLLATE "C",
    hold_usd            numeric(20,9),
    finish_reason       text COLLATE "C",
    first_byte_ms       bigint,
    duration_ms         bigint,
    request_bytes       bigint,
    response_bytes      bigint
);

-- Why a row is none, or NULL.  2^52 is the most that the gateway counts to,
-- 16384 bytes are its longest line (AI_LIMIT_MAX, AI_SLOT_ROW_MAX).

CREATE FUNCTION usage_fault(r usage_line, line text, since uuid, until uuid)
    RETURNS text
LANGUAGE sql STABLE
RETURN CASE
    WHEN octet_length(line) > 16384 THEN 'line is too long'
    WHEN num_nulls(r.id, r.time, r.tenant, r.key, r.labels, r.attempts,
                   r.stream, r.status, r.state, r.usage_source,
                   r.stream_complete, r.client_aborted, r.classes, r.units,
                   r.sub, r.price_version, r.hold_usd, r.duration_ms,
                   r.request_bytes, r.response_bytes) > 0
        THEN 'a member is missing'
    WHEN substr(r.id::text, 15, 1) <> '7'
         OR substr(r.id::text, 20, 1) NOT IN ('8', '9', 'a', 'b')
        THEN 'id is no UUIDv7'
    WHEN r.id < since OR r.id >= until THEN 'id is of an absurd time'
    WHEN NOT (r.time - uuid_time(r.id)
              BETWEEN interval '-1 day' AND interval '1 day')
        THEN 'time is not the id''s'
    WHEN r.tenant = '' THEN 'tenant is empty'
    WHEN jsonb_typeof(r.labels) <> 'object'
         OR jsonb_typeof(r.classes) <> 'object'
         OR jsonb_typeof(r.units) <> 'object'
         OR jsonb_typeof(r.attempts) <> 'array'
         OR jsonb_typeof(r.sub) <> 'array'
        THEN 'a member is of another type'
    WHEN r.cost_usd IS NULL AND r.usage_source <> 'none'
        THEN 'cost_usd is missing'
    WHEN NOT (coalesce(r.cost_usd, 0) BETWEEN 0 AND 4503599.627370496)
         OR NOT (r.hold_usd BETWEEN 0 AND 99999999999)
        THEN 'money out of range'
    WHEN least(r.input_tokens, r.cache_read_tokens, r.cache_write_tokens,
               r.output_tokens, r.reasoning_tokens, r.first_byte_ms,
               r.duration_ms, r.request_bytes, r.response_bytes,
               r.http_status) < 0
         OR greatest(r.input_tokens, r.cache_read_tokens, r.cache_write_tokens,
                     r.output_tokens, r.reasoning_tokens, r.first_byte_ms,
                     r.duration_ms, r.request_bytes, r.response_bytes)
            > 4503599627370496
         OR r.http_status > 999
        THEN 'number out of range'
    END;

-- the ids that may come: of the last 400 days, not of dropped months, and not
-- of a clock that is more than two days fast

CREATE FUNCTION usage_range(OUT since uuid, OUT until uuid)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT uuid_floor(greatest(now() - interval '400 days', usage_floor)),
           uuid_floor(now() + interval '2 days')
      FROM housekeeping;
END;

CREATE FUNCTION line_hash(line text) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN hashtextextended(line COLLATE "C", 0);


-- ---- alerts ----------------------------------------------------------------

-- what listeners of ai_alerts get

CREATE FUNCTION alert_text(a alerts) RETURNS text
LANGUAGE sql STABLE
RETURN json_build_object('id', a.id, 'at', a.at, 'tenant', a.tenant,
    'key', a.key, 'kind', a.kind, 'subject', a.subject, 'period', a.period,
    'share', a.share, 'detail', a.detail)::text;

-- The cost limits of tenants: of the tenant itself (key '') and of each of the
-- keys that it used on the days.  The nearest one counts: a key's own, then its
-- tenant's, then the plan's.

CREATE FUNCTION cost_limits(names text[], days date[])
    RETURNS TABLE (tenant text, key text, period text, amount bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH lim AS MATERIALIZED (
        SELECT t.name AS tenant, l.key, l.per_key, l.period, l.amount,
               1 AS nearness
          FROM tenants t JOIN rate_limits l ON l.plan = t.plan
         WHERE t.name = ANY (names) AND t.origin = 'sql'
           AND l.resource = 'cost' AND l.period IN ('day', 'month')
         UNION ALL
        SELECT t.name, l.key, l.per_key, l.period, l.amount,
               CASE WHEN l.key IS NULL THEN 2 ELSE 3 END
          FROM tenants t JOIN rate_limits l ON l.tenant = t.name
         WHERE t.name = ANY (names) AND t.origin = 'sql'
           AND l.resource = 'cost' AND l.period IN ('day', 'month')
    ), used AS (
        SELECT DISTINCT s.tenant, s.key
          FROM spend s
         WHERE s.tenant IN (SELECT lim.tenant FROM lim
                             WHERE per_key OR lim.key IS NOT NULL)
           AND s.day = ANY (days) AND s.key <> ''
    ), one AS (
        SELECT lim.tenant, '' AS key, lim.period, lim.amount, nearness
          FROM lim WHERE lim.key IS NULL AND NOT per_key
         UNION ALL
        SELECT used.tenant, used.key, lim.period, lim.amount, nearness
          FROM lim JOIN used ON used.tenant = lim.tenant
                            AND (per_key OR used.key = lim.key)
    )
    SELECT DISTINCT ON (one.tenant, one.key, one.period)
           one.tenant, one.key, one.period, one.amount
      FROM one ORDER BY one.tenant, one.key, one.period, nearness DESC;
END;

-- Alerts of tenants whose spend of some days has changed, at each share of a
-- limit (once for each of its windows) or of what was ever credited (once for
-- each credit); returns how many are new.

CREATE FUNCTION alerts_check(names text[], days date[]) RETURNS bigint
LANGUAGE sql
BEGIN ATOMIC
    WITH win AS (
        SELECT l.*, w.since,
               to_char(w.since, CASE l.period WHEN 'day' THEN 'YYYY-MM-DD'
                                ELSE 'YYYY-MM' END) AS title
          FROM cost_limits(names, days) l
          CROSS JOIN LATERAL (
            SELECT DISTINCT date_trunc(l.period, d::timestamp)::date AS since
              FROM unnest(days) d) w
    ), budget AS (
        SELECT win.tenant, win.key, 'budget' AS kind,
               'cost/' || win.period AS subject, win.title AS period,
               sp.spent, win.amount::numeric AS amount
          FROM win CROSS JOIN LATERAL (
            SELECT sum(s.cost_nanos) AS spent FROM spend s
             WHERE s.tenant = win.tenant AND s.key = win.key
               AND s.day >= win.since
               AND s.day < win.since + ('1 ' || win.period)::interval) sp
         WHERE sp.spent > 0
    ), prepaid AS (
        SELECT t.name, '', 'prepaid', 'balance',
               coalesce((SELECT max(c.id) FROM credits c
                          WHERE c.tenant = t.name), 0)::text, b.spent, b.credit
          FROM tenants t CROSS JOIN LATERAL (
            SELECT -sum(balance_nanos) FILTER (WHERE node <> uuid_floor('-infinity'))
                       AS spent,
                   coalesce(sum(balance_nanos)
                            FILTER (WHERE node = uuid_floor('-infinity')), 0)
                       AS credit
              FROM balances WHERE balances.tenant = t.name) b
         WHERE t.name = ANY (names) AND t.origin = 'sql' AND t.prepaid
           AND b.spent > 0
    ), fresh AS (
        INSERT INTO alerts AS a (tenant, key, kind, subject, period, share,
                                 detail)
        SELECT u.tenant, u.key, u.kind, u.subject, u.period, pc.share,
               jsonb_build_object('limit_nanos', u.amount,
                                  'spent_nanos', u.spent)
          FROM (SELECT * FROM budget UNION ALL SELECT * FROM prepaid) u
          JOIN tenants t ON t.name = u.tenant
          CROSS JOIN LATERAL unnest(t.alert_shares) AS pc (share)
         WHERE u.spent * 100 >= u.amount * pc.share
           AND NOT EXISTS (
                SELECT FROM alerts o
                 WHERE o.tenant = u.tenant AND o.key = u.key
                   AND o.kind = u.kind AND o.subject = u.subject
                   AND o.period = u.period AND o.share = pc.share)
         ORDER BY u.tenant, u.key, u.kind, u.subject, u.period, pc.share
            ON CONFLICT DO NOTHING
        RETURNING a.*
    )
    SELECT count(pg_notify('ai_alerts', alert_text(ROW(fresh.*)::alerts)))
      FROM fresh;
END;


-- ---- quarantine ------------------------------------------------------------

CREATE FUNCTION quarantine_lines(node uuid, ids uuid[], lines bytea[],
    reasons text[])
    RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    WITH fresh AS (
        INSERT INTO quarantine AS q (node, id, line, reason)
        SELECT quarantine_lines.node, l.id, l.line, left(l.reason, 500)
          FROM unnest(ids, lines, reasons) AS l (id, line, reason)
            ON CONFLICT DO NOTHING
        RETURNING q.reason
    ), alert AS (
        INSERT INTO alerts AS a (tenant, kind, subject, period, detail)
        SELECT '', 'quarantine', quarantine_lines.node,
               to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:00'),
               jsonb_build_object('lines', count(*), 'reason', min(reason))
          FROM fresh HAVING count(*) > 0
            ON CONFLICT DO NOTHING
        RETURNING a.*
    )
    SELECT pg_notify('ai_alerts', alert_text(ROW(alert.*)::alerts)) FROM alert;
END;


-- ---- shipping --------------------------------------------------------------

-- Ships lines as one: an error of any is an error of all.  A line whose id is
-- there already is a duplicate if it says the same, and goes to quarantine if
-- it does not.

CREATE FUNCTION ship_set(node uuid, lines text[], OUT inserted bigint,
    OUT duplicates bigint, OUT quarantined bigint)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    me      CONSTANT uuid := node;
    wanted  CONSTANT bigint := cardinality(lines);
    sound   bigint;
    names   text[];
    days    date[];
    since   uuid;
    until   uuid;
    twice   record;
BEGIN
    duplicates := 0;
    quarantined := 0;

    SELECT * INTO since, until FROM usage_range();

    WITH line AS MATERIALIZED (
        SELECT r.*, l.n, line_hash(l.text) AS hash
          FROM unnest(lines) WITH ORDINALITY AS l (text, n)
          CROSS JOIN LATERAL
               json_populate_record(NULL::usage_line, l.text::json) AS r
         WHERE usage_fault(r, l.text, since, until) IS NULL

    ), fresh AS (
        INSERT INTO usage_logs AS u (id, time, tenant, key, plan, labels, api,
            model, served_model, provider, attempts, stream, status,
            http_status, state, usage_source, stream_complete, client_aborted,
            input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
            reasoning_tokens, classes, units, sub, cost_usd, price_version,
            hold_usd, finish_reason, first_byte_ms, duration_ms, request_bytes,
            response_bytes, node, content)
        SELECT DISTINCT ON (id) id, time, tenant, key, plan, labels, api,
            model, served_model, provider, attempts, stream, status,
            http_status, state, usage_source, stream_complete, client_aborted,
            input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
            reasoning_tokens, classes, units, sub, cost_usd, price_version,
            hold_usd, finish_reason, first_byte_ms, duration_ms, request_bytes,
            response_bytes, me, hash
          FROM line ORDER BY id, n
            ON CONFLICT (id) DO NOTHING
        RETURNING u.time, u.tenant, u.key, coalesce(u.model, '') AS model,
            coalesce(u.provider, '') AS provider, u.labels,
            CASE u.state WHEN 'refused' THEN 0 ELSE 1 END AS request,
            coalesce(u.input_tokens, 0) AS input_tokens,
            coalesce(u.cache_read_tokens, 0) AS cache_read_tokens,
            coalesce(u.cache_write_tokens, 0) AS cache_write_tokens,
            coalesce(u.output_tokens, 0) AS output_tokens,
            coalesce(u.reasoning_tokens, 0) AS reasoning_tokens,
            (coalesce(u.cost_usd, 0) * 1000000000)::bigint AS nanos

    ), hourly AS (
        INSERT INTO usage_hourly AS h
        SELECT date_bin('1 hour', time, '2000-01-01Z') AS hour, tenant, key,
               model, provider, labels, me, sum(request), sum(input_tokens),
               sum(cache_read_tokens), sum(cache_write_tokens),
               sum(output_tokens), sum(reasoning_tokens), sum(nanos)
          FROM fresh GROUP BY 1, 2, 3, 4, 5, 6
         ORDER BY 1, 2, 3, 4, 5, 6
            ON CONFLICT (hour, tenant, key, model, provider, labels, node)
            DO UPDATE SET
               requests = h.requests + excluded.requests,
               input_tokens = h.input_tokens + excluded.input_tokens,
               cache_read_tokens
                   = h.cache_read_tokens + excluded.cache_read_tokens,
               cache_write_tokens
                   = h.cache_write_tokens + excluded.cache_write_tokens,
               output_tokens = h.output_tokens + excluded.output_tokens,
               reasoning_tokens
                   = h.reasoning_tokens + excluded.reasoning_tokens,
               cost_nanos = h.cost_nanos + excluded.cost_nanos

    ), daily AS (
        INSERT INTO spend AS s
        SELECT tenant, coalesce(key, ''), (time AT TIME ZONE 'UTC')::date, me,
               sum(request), sum(input_tokens), sum(output_tokens), sum(nanos)
          FROM fresh
         GROUP BY GROUPING SETS ((1, 3, key), (1, 3))
        HAVING GROUPING(key) = 1 OR key <> ''
         ORDER BY 1, 2, 3
            ON CONFLICT (tenant, key, day, node) DO UPDATE SET
               requests = s.requests + excluded.requests,
               input_tokens = s.input_tokens + excluded.input_tokens,
               output_tokens = s.output_tokens + excluded.output_tokens,
               cost_nanos = s.cost_nanos + excluded.cost_nanos,
               changed = pg_current_xact_id()
        RETURNING s.tenant, s.day

    ), cost AS MATERIALIZED (
        SELECT nextval('billing_transactions_id_seq') AS id, tenant, nanos
          FROM (SELECT tenant, sum(nanos)::bigint AS nanos FROM fresh
                 GROUP BY tenant HAVING sum(nanos) <> 0
                 ORDER BY tenant) AS sums

    ), bill AS (
        INSERT INTO billing_transactions (id, tenant, kind, reference, actor)
               OVERRIDING SYSTEM VALUE
        SELECT id, tenant, 'usage', me, session_user FROM cost

    ), entries AS (
        INSERT INTO billing_entries (transaction, tenant, account, amount_nanos)
        SELECT id, tenant, 'tenant', -nanos FROM cost
         UNION ALL
        SELECT id, tenant, 'revenue', nanos FROM cost

    ), owed AS (
        INSERT INTO balances AS b
        SELECT tenant, me, -nanos FROM cost
            ON CONFLICT (tenant, node) DO UPDATE SET
               balance_nanos = b.balance_nanos + excluded.balance_nanos
    )
    SELECT (SELECT count(*) FROM line), (SELECT count(*) FROM fresh),
           (SELECT array_agg(DISTINCT tenant) FROM daily),
           (SELECT array_agg(DISTINCT day) FROM daily)
      INTO sound, inserted, names, days;

    IF sound < wanted THEN
        RAISE EXCEPTION '% of % lines are no rows', wanted - sound, wanted
            USING ERRCODE = 'data_exception';
    END IF;

    IF inserted > 0 THEN
        PERFORM alerts_check(names, days);
    END IF;

    IF inserted = wanted THEN
        RETURN;
    END IF;

    -- by a later snapshot than the one that found them there

    WITH line AS (
        SELECT (text::json ->> 'id')::uuid AS id, text, line_hash(text) AS hash
          FROM unnest(lines) AS text
    )
    SELECT count(*) FILTER (WHERE u.content = hash) AS same,
           array_agg(line.id) FILTER (WHERE u.content <> hash) AS ids,
           array_agg(convert_to(text, 'UTF8'))
               FILTER (WHERE u.content <> hash) AS lines
      INTO twice
      FROM line JOIN usage_logs u ON u.id = line.id;

    duplicates := twice.same - inserted;
    quarantined := coalesce(cardinality(twice.ids), 0);

    IF quarantined > 0 THEN
        PERFORM quarantine_lines(me, twice.ids, twice.lines,
            array_fill('the id is there with other content'::text,
                       ARRAY[quarantined::integer]));
    END IF;

    IF inserted + duplicates + quarantined <> wanted THEN
        RAISE EXCEPTION 'rows of usage_logs are not visible';
    END IF;
END
$$;

-- the id of a line that may be anything

CREATE FUNCTION line_id(line bytea) RETURNS uuid
LANGUAGE sql IMMUTABLE
RETURN substring(encode(line, 'escape')
                 FROM '"id":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')
       ::uuid;

-- Reads one line: the month of its row, or an error that says what is wrong.

CREATE FUNCTION line_check(line text, since uuid, until uuid, OUT id uuid,
    OUT month timestamptz)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    r       usage_line;
    fault   text;
BEGIN
    r := json_populate_record(NULL::usage_line, line::json);
    fault := usage_fault(r, line, since, until);

    IF fault IS NOT NULL THEN
        RAISE EXCEPTION '%', fault USING ERRCODE = 'data_exception';
    END IF;

    id := r.id;
    month := date_trunc('month', uuid_time(id), 'UTC');
END
$$;

-- The lines of a batch that did not go as one, one by one as far as needed.

CREATE FUNCTION ship_lines(node uuid, lines bytea, OUT inserted bigint,
    OUT duplicates bigint, OUT quarantined bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    good    text[] := '{}';
    months  timestamptz[] := '{}';
    line    text;
    raw     bytea;
    row     record;
    done    record;
    since   uuid;
    until   uuid;
BEGIN
    inserted := 0;
    duplicates := 0;
    quarantined := 0;

    SELECT * INTO since, until FROM usage_range();

    -- bytes that are no text are taken apart as text of an escaped form, which
    -- leaves line ends alone

    FOR raw IN
        SELECT decode(l, 'escape')
          FROM string_to_table(encode(lines, 'escape'), E'\n') AS l
         WHERE l <> ''
    LOOP
        BEGIN
            row := NULL;
            line := convert_from(raw, 'UTF8');
            row := line_check(line, since, until);
            good := good || line;

            IF row.month <> ALL (months) THEN
                months := months || row.month;
            END IF;

        EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
            PERFORM quarantine_lines(node, ARRAY[line_id(raw)], ARRAY[raw],
                                     ARRAY[SQLERRM]);
            quarantined := quarantined + 1;
        END;
    END LOOP;

    PERFORM partition_make(month) FROM unnest(months) AS month;

    BEGIN
        SELECT * INTO done FROM ship_set(node, good);

        inserted := done.inserted;
        duplicates := done.duplicates;
        quarantined := quarantined + done.quarantined;

        RETURN;

    EXCEPTION WHEN data_exception OR integrity_constraint_violation
                   OR program_limit_exceeded THEN
        NULL;   -- a constraint of the operator's own, a sum out of range
    END;

    FOREACH line IN ARRAY good LOOP
        BEGIN
            SELECT * INTO done FROM ship_set(node, ARRAY[line]);

            inserted := inserted + done.inserted;
            duplicates := duplicates + done.duplicates;
            quarantined := quarantined + done.quarantined;

        EXCEPTION WHEN data_exception OR integrity_constraint_violation
                       OR program_limit_exceeded THEN
            raw := convert_to(line, 'UTF8');
            PERFORM quarantine_lines(node, ARRAY[line_id(raw)], ARRAY[raw],
                                     ARRAY[SQLERRM]);
            quarantined := quarantined + 1;
        END;
    END LOOP;
END
$$;

-- Takes lines of usage.jsonl, each ended by a line end, that a node has not
-- seen committed yet.  Whatever it answers has been done with all of them.

CREATE FUNCTION ship(node uuid, lines bytea, OUT inserted bigint,
    OUT duplicates bigint, OUT quarantined bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    list    text[];
BEGIN
    IF node IS NULL OR node = '00000000-0000-0000-0000-000000000000' THEN
        RAISE EXCEPTION 'node is missing'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    BEGIN
        list := array_remove(string_to_array(convert_from(lines, 'UTF8'),
                                             E'\n'), '');

        SELECT * INTO inserted, duplicates, quarantined
          FROM ship_set(node, coalesce(list, '{}'));

        RETURN;

    EXCEPTION WHEN data_exception OR integrity_constraint_violation
                   OR program_limit_exceeded THEN
        NULL;
    END;

    SELECT * INTO inserted, duplicates, quarantined
      FROM ship_lines(node, lines);
END
$$;

GRANT EXECUTE ON FUNCTION ship(uuid, bytea) TO ai_gateway;

-- Ships a line of the quarantine again, once what kept it out is mended.

CREATE FUNCTION quarantine_ship(number bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    q       quarantine;
    done    record;
    row     record;
BEGIN
    SELECT * INTO q FROM quarantine WHERE n = number FOR UPDATE;

    IF NOT FOUND THEN
        RAISE EXCEPTION 'quarantine has no line %', number
            USING ERRCODE = 'AI404';
    END IF;

    SELECT c.* INTO row
      FROM usage_range() r,
           line_check(convert_from(q.line, 'UTF8'), r.since, r.until) c;

    PERFORM partition_make(row.month);

    SELECT * INTO done
      FROM ship_set(q.node, ARRAY[convert_from(q.line, 'UTF8')]);

    IF done.quarantined > 0 THEN
        RAISE EXCEPTION 'the id of line % is there with other content', number
            USING ERRCODE = 'AI409';
    END IF;

    DELETE FROM quarantine WHERE n = number;

    INSERT INTO audit (actor, action, tenant, arguments, result)
    SELECT session_user, 'quarantine_ship', tenant,
           jsonb_build_object('number', number, 'id', id),
           jsonb_build_object('inserted', done.inserted)
      FROM usage_logs WHERE id = row.id;
END
$$;

GRANT EXECUTE ON FUNCTION quarantine_ship(bigint), partitions_make(integer),
    partitions_drop(interval) TO ai_admin;


-- ---- maintenance -----------------------------------------------------------

-- Two nodes that ship at once do not see each other's rows, so that both may
-- stay below a share that their sum is above.  This looks once more at what
-- every transaction changed since the last time it looked.

CREATE FUNCTION alerts_catch_up() RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
    mark    CONSTANT xid8 := pg_snapshot_xmin(pg_current_snapshot());
    seen    xid8;
    names   text[];
    days    date[];
BEGIN
    SELECT alerts_mark INTO seen FROM housekeeping FOR UPDATE SKIP LOCKED;

    IF NOT FOUND THEN
        RETURN 0;
    END IF;

    SELECT array_agg(DISTINCT tenant), array_agg(DISTINCT day)
      INTO names, days
      FROM spend
     WHERE changed >= seen AND day > now() - interval '40 days';

    UPDATE housekeeping SET alerts_mark = mark WHERE alerts_mark <> mark;

    RETURN CASE WHEN names IS NULL THEN 0 ELSE alerts_check(names, days) END;
END
$$;

-- What must be done now and then; every gateway calls it once a minute, and
-- one of those that do at the same time does it.

CREATE FUNCTION maintain() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    old     interval;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('ai.maintain')) THEN
        RETURN;
    END IF;

    PERFORM partitions_make(2);
    PERFORM alerts_catch_up();

    DELETE FROM changes WHERE at < now() - interval '7 days';

    SELECT keep INTO old FROM housekeeping;

    IF old IS NOT NULL THEN
        BEGIN
            PERFORM partitions_drop(old);
        EXCEPTION WHEN lock_not_available THEN
            NULL;   -- in a minute
        END;
    END IF;
END
$$;

GRANT EXECUTE ON FUNCTION maintain() TO ai_gateway, ai_admin;

SELECT partitions_make(2);
