-- Reports: what a tenant used, and its statement of a month.
--
-- Whole hours come from the rollup, which holds corrections of prices under the
-- node of all zeros; what is left of an hour at either end comes from the rows.


-- rows at the price that holds now: billed, or corrected since

CREATE VIEW usage_rated WITH (security_invoker = true) AS
SELECT u.*, coalesce(c.new_usd, u.cost_usd) AS rated_usd, c.rerate
FROM usage_logs u LEFT JOIN LATERAL (
    SELECT c.new_usd, c.rerate FROM usage_corrections c
    WHERE c.id = u.id ORDER BY c.rerate DESC LIMIT 1
) c ON true;

REVOKE ALL ON usage_rated FROM PUBLIC;
GRANT SELECT ON usage_rated TO ai_admin, ai_tenant;


-- ---- arguments -------------------------------------------------------------

CREATE FUNCTION report_time(what text, value text) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE
SET search_path = ai, pg_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    IF value !~ ('^[0-9]{4}-[0-9]{2}-[0-9]{2}'
        || '([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?'
        || '([Zz]|[+-][0-9]{2}:[0-9]{2}))?$')
    THEN
        PERFORM refuse('22023', format('"%s" must be a date ("2026-11-01") '
            'or a time of RFC 3339 ("2026-11-01T12:00:00Z")', what));
    END IF;

    BEGIN
        RETURN value::timestamptz;
    EXCEPTION WHEN datetime_field_overflow OR invalid_datetime_format
        OR invalid_time_zone_displacement_value
    THEN
        PERFORM refuse('22023', format('"%s" is no such day or time', what));
    END;
END $$;

CREATE FUNCTION report_fields(fields text[], allowed text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    field text;
    seen  text[] := '{}';
BEGIN
    IF cardinality(fields) > 8 THEN
        PERFORM refuse('22023', '"group_by" has more than 8 fields');
    END IF;

    FOREACH field IN ARRAY coalesce(fields, '{}') LOOP
        IF field IS NULL OR field <> ALL (allowed)
            AND field !~ '^label:[A-Za-z0-9][A-Za-z0-9._:@/-]{0,63}$'
        THEN
            PERFORM refuse('22023', format('"group_by" has an unknown field '
                '%s: it takes %s and label:NAME',
                coalesce(quote_literal(left(field, 80)), 'null'),
                array_to_string(allowed, ', ')));
        END IF;

        IF field = ANY (seen) THEN
            PERFORM refuse('22023', format('"group_by" has %s twice', field));
        END IF;

        seen := seen || field;
    END LOOP;

    RETURN seen;
END $$;

CREATE FUNCTION report_span(since timestamptz, until timestamptz)
    RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    IF since IS NULL OR until IS NULL OR NOT isfinite(since)
        OR NOT isfinite(until)
    THEN
        PERFORM refuse('22023', '"from" and "to" must be times');
    END IF;

    IF since >= until THEN
        PERFORM refuse('22023', '"from" must be before "to"');
    END IF;

    IF until - since > interval '400 days' THEN
        PERFORM refuse('22023', '"from" and "to" are more than 400 days '
                       'apart');
    END IF;
END $$;


-- ---- sums ------------------------------------------------------------------

-- Sums of one tenant, or of all (NULL), by the named fields; those not named
-- are NULL.  Runs as its caller, so row-level security is the caller's.

CREATE FUNCTION usage_sums(whose text, since timestamptz, until timestamptz,
    fields text[])
    RETURNS TABLE (tenant text, month text, day date, hour timestamptz,
        model text, key text, provider text, labels text[], requests numeric,
        input_tokens numeric, cache_read_tokens numeric,
        cache_write_tokens numeric, output_tokens numeric,
        reasoning_tokens numeric, cost_nanos numeric)
LANGUAGE plpgsql STABLE
SET search_path = ai, pg_catalog, pg_temp SET timezone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
    names text[] := ARRAY(SELECT substr(f, 7) FROM unnest(fields)
                          WITH ORDINALITY v (f, n)
                          WHERE f LIKE 'label:%' ORDER BY n);
    labelled boolean := cardinality(names) > 0;
    -- whole hours, from the rollup; nothing is later than now
    first timestamptz := date_trunc('hour', since + interval '1 hour'
                                                  - interval '1 us');
    last  timestamptz := CASE WHEN until > now()
                         THEN date_trunc('hour', until + interval '1 hour')
                         ELSE date_trunc('hour', until) END;
    head  timestamptz := least(first, until);
    tail  timestamptz := greatest(last, head);
BEGIN
    RETURN QUERY
    WITH parts AS (
        SELECT h.hour, h.tenant, h.key, h.model, h.provider, h.labels,
            h.requests, h.input_tokens, h.cache_read_tokens,
            h.cache_write_tokens, h.output_tokens, h.reasoning_tokens,
            h.cost_nanos
        FROM usage_hourly h
        WHERE h.hour >= first AND h.hour < last
            AND (whose IS NULL OR h.tenant = whose)
        UNION ALL
        SELECT date_trunc('hour', u.time), u.tenant, u.key,
            coalesce(u.model, ''), coalesce(u.provider, ''), u.labels,
            (u.state <> 'refused')::integer, coalesce(u.input_tokens, 0),
            coalesce(u.cache_read_tokens, 0),
            coalesce(u.cache_write_tokens, 0), coalesce(u.output_tokens, 0),
            coalesce(u.reasoning_tokens, 0),
            coalesce((u.rated_usd * 1000000000)::bigint, 0)
        FROM usage_rated u
        WHERE (u.time >= since AND u.time < head
               OR u.time >= tail AND u.time < until)
            AND u.time >= since AND u.time < until
            AND (whose IS NULL OR u.tenant = whose)
    )
    SELECT
        CASE WHEN 'tenant' = ANY (fields) THEN p.tenant END,
        CASE WHEN 'month' = ANY (fields) THEN to_char(p.hour, 'YYYY-MM') END,
        CASE WHEN 'day' = ANY (fields) THEN p.hour::date END,
        CASE WHEN 'hour' = ANY (fields) THEN p.hour END,
        CASE WHEN 'model' = ANY (fields) THEN p.model END,
        CASE WHEN 'key' = ANY (fields) THEN p.key END,
        CASE WHEN 'provider' = ANY (fields) THEN p.provider END,
        CASE WHEN labelled THEN ARRAY(
            SELECT coalesce(p.labels ->> n.name, '')
            FROM unnest(names) WITH ORDINALITY n (name, place)
            ORDER BY n.place) END,
        sum(p.requests), sum(p.input_tokens), sum(p.cache_read_tokens),
        sum(p.cache_write_tokens), sum(p.output_tokens),
        sum(p.reasoning_tokens), sum(p.cost_nanos)
    FROM parts p
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    ORDER BY 2, 3, 4, 1, 5, 6, 7, 8
    LIMIT 10001;
END $$;

GRANT EXECUTE ON FUNCTION usage_sums(text, timestamptz, timestamptz, text[]),
    report_time(text, text), report_fields(text[], text[]),
    report_span(timestamptz, timestamptz), refuse(text, text), usd(numeric)
    TO ai_tenant;


-- ---- a tenant's own --------------------------------------------------------

-- JSON for the tenant.  It belongs to ai_tenant, so that row-level security
-- stands between it and other tenants' rows; the setting holds inside only.

CREATE FUNCTION usage_report(text, text, text, text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp SET timezone = 'UTC'
SET ai.tenant = '' AS $$
DECLARE
    since  timestamptz := coalesce(report_time('from', nullif($2, '')),
                                   date_trunc('month', now()));
    until  timestamptz := coalesce(report_time('to', nullif($3, '')), now());
    fields text[];
    data   json[];
    total  json;
BEGIN
    IF coalesce($1, '') = '' THEN
        PERFORM refuse('22023', 'tenant is missing');
    END IF;

    fields := report_fields(
        ARRAY(SELECT btrim(f) FROM string_to_table(nullif($4, ''), ',') f),
        '{day,hour,month,model,key,provider}');

    PERFORM report_span(since, until);
    PERFORM set_config('ai.tenant', $1, true);

    WITH sums AS MATERIALIZED (
        SELECT row_number() OVER () AS place, s.*
        FROM usage_sums($1, since, until, fields) s
    ), members AS (
        SELECT s.place, f.n, f.name, CASE f.name
            WHEN 'day' THEN to_json(s.day)
            WHEN 'hour' THEN to_json(to_char(s.hour,
                                             'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
            WHEN 'month' THEN to_json(s.month)
            WHEN 'model' THEN to_json(s.model)
            WHEN 'key' THEN to_json(s.key)
            WHEN 'provider' THEN to_json(s.provider)
            ELSE to_json(s.labels[(SELECT count(*)
                FROM unnest(fields) WITH ORDINALITY e (name, n)
                WHERE e.n <= f.n AND e.name LIKE 'label:%')::integer])
            END AS value
        FROM sums s CROSS JOIN unnest(fields) WITH ORDINALITY f (name, n)
        UNION ALL
        SELECT s.place, v.n, v.name, v.value
        FROM sums s CROSS JOIN LATERAL (VALUES
            (101, 'requests', to_json(s.requests)),
            (102, 'input_tokens', to_json(s.input_tokens)),
            (103, 'cache_read_tokens', to_json(s.cache_read_tokens)),
            (104, 'cache_write_tokens', to_json(s.cache_write_tokens)),
            (105, 'output_tokens', to_json(s.output_tokens)),
            (106, 'reasoning_tokens', to_json(s.reasoning_tokens)),
            (107, 'cost_usd', to_json(usd(s.cost_nanos)::text))
        ) v (n, name, value)
    ), objects AS (
        SELECT m.place, json_object_agg(m.name, m.value ORDER BY m.n) AS o
        FROM members m GROUP BY m.place
    )
    SELECT (SELECT array_agg(o.o ORDER BY o.place) FROM objects o),
        json_build_object('requests', coalesce(sum(s.requests), 0),
            'input_tokens', coalesce(sum(s.input_tokens), 0),
            'cache_read_tokens', coalesce(sum(s.cache_read_tokens), 0),
            'cache_write_tokens', coalesce(sum(s.cache_write_tokens), 0),
            'output_tokens', coalesce(sum(s.output_tokens), 0),
            'reasoning_tokens', coalesce(sum(s.reasoning_tokens), 0),
            'cost_usd', usd(coalesce(sum(s.cost_nanos), 0))::text)
    INTO data, total FROM sums s;

    IF cardinality(data) > 10000 THEN
        PERFORM refuse('22023', 'more than 10000 groups: take a shorter span '
                       'or fewer fields of "group_by"');
    END IF;

    RETURN json_build_object('object', 'usage_report', 'tenant', $1,
        'from', to_char(since, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'to', to_char(until, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'group_by', to_json(fields),
        'data', coalesce(array_to_json(data), '[]'), 'total', total);
END $$;

GRANT EXECUTE ON FUNCTION usage_report(text, text, text, text) TO ai_gateway;


-- ---- for administrators ----------------------------------------------------

CREATE FUNCTION usage("from" timestamptz DEFAULT NULL,
    "to" timestamptz DEFAULT NULL, tenant text DEFAULT NULL,
    group_by text[] DEFAULT '{tenant}')
    RETURNS TABLE (tenant_name text, month text, day date, hour timestamptz,
        model text, key text, provider text, labels text[], requests numeric,
        input_tokens numeric, cache_read_tokens numeric,
        cache_write_tokens numeric, output_tokens numeric,
        reasoning_tokens numeric, cost_usd numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp SET timezone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
    since  timestamptz := coalesce($1, date_trunc('month', now()));
    until  timestamptz := coalesce($2, now());
    fields text[] := report_fields($4,
        '{tenant,day,hour,month,model,key,provider}');
    n      bigint;
BEGIN
    PERFORM report_span(since, until);

    RETURN QUERY
    SELECT s.tenant, s.month, s.day, s.hour, s.model, s.key, s.provider,
        s.labels, s.requests, s.input_tokens, s.cache_read_tokens,
        s.cache_write_tokens, s.output_tokens, s.reasoning_tokens,
        usd(s.cost_nanos)
    FROM usage_sums($3, since, until, fields) s;

    GET DIAGNOSTICS n = ROW_COUNT;

    IF n > 10000 THEN
        PERFORM refuse('22023', 'more than 10000 groups: take a shorter span '
                       'or fewer fields of "group_by"');
    END IF;
END $$;

-- A month (UTC) as it was billed: a batch of usage belongs to the month in
-- which it was shipped, with its rows.  Where the rows of that batch are not
-- there any more, models are told by the rollup and what that does not explain
-- (usage of the month's edges) stands in a line of its own; so the lines always
-- sum to what was billed.

CREATE FUNCTION statement(tenant text, month date) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp SET timezone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
    since   timestamptz := date_trunc('month', $2::timestamp) AT TIME ZONE 'UTC';
    until   timestamptz := since + interval '1 month';
    opening numeric;
    billed  numeric;
    lines   jsonb;
    known   numeric;
    moves   jsonb;
    moved   numeric;
BEGIN
    IF $2 IS NULL OR NOT isfinite($2) THEN
        PERFORM refuse('22023', 'month must be a date of it');
    END IF;

    IF NOT EXISTS (SELECT FROM tenants t WHERE t.name = $1)
        AND NOT EXISTS (SELECT FROM balances b WHERE b.tenant = $1)
    THEN
        PERFORM refuse('AI404', format('no tenant %s', quote_literal($1)));
    END IF;

    SELECT coalesce(sum(e.amount_nanos) FILTER (WHERE b.at < since), 0),
        coalesce(-sum(e.amount_nanos) FILTER (WHERE b.at >= since
                                              AND b.kind = 'usage'), 0),
        coalesce(sum(e.amount_nanos) FILTER (WHERE b.at >= since
                                             AND b.kind <> 'usage'), 0),
        coalesce(jsonb_agg(jsonb_build_object('at', b.at, 'kind', b.kind,
            'reference', b.reference, 'transaction', b.id,
            'amount_usd', usd(e.amount_nanos)::text) ORDER BY b.at, b.id)
            FILTER (WHERE b.at >= since AND b.kind <> 'usage'), '[]')
    INTO opening, billed, moved, moves
    FROM billing_transactions b
        JOIN billing_entries e ON e.transaction = b.id
    WHERE b.tenant = $1 AND b.at < until AND e.account = 'tenant';

    SELECT coalesce(jsonb_agg(jsonb_build_object('model', u.model,
            'requests', u.requests, 'input_tokens', u.input,
            'output_tokens', u.output, 'cost_usd', usd(u.nanos)::text)
            ORDER BY u.model), '[]'), coalesce(sum(u.nanos), 0)
    INTO lines, known
    FROM (SELECT coalesce(l.model, '') AS model,
              count(*) FILTER (WHERE l.state <> 'refused') AS requests,
              coalesce(sum(l.input_tokens), 0) AS input,
              coalesce(sum(l.output_tokens), 0) AS output,
              coalesce(sum(l.cost_usd), 0) * 1000000000 AS nanos
          FROM usage_logs l
          WHERE l.tenant = $1 AND l.shipped_at >= since
              AND l.shipped_at < until AND l.time < until + interval '1 day'
              AND l.time >= since - interval '60 days'
          GROUP BY 1) u;

    IF known <> billed THEN
        SELECT coalesce(jsonb_agg(jsonb_build_object('model', h.model,
                'requests', h.requests, 'input_tokens', h.input,
                'output_tokens', h.output, 'cost_usd', usd(h.nanos)::text)
                ORDER BY h.model), '[]'), coalesce(sum(h.nanos), 0)
        INTO lines, known
        FROM (SELECT h.model, sum(h.requests) AS requests,
                  sum(h.input_tokens) AS input,
                  sum(h.output_tokens) AS output, sum(h.cost_nanos) AS nanos
              FROM usage_hourly h
              WHERE h.tenant = $1 AND h.hour >= since AND h.hour < until
                  AND h.node <> '00000000-0000-0000-0000-000000000000'
              GROUP BY 1) h;
    END IF;

    RETURN jsonb_build_object('object', 'statement', 'tenant', $1,
        'month', to_char(since, 'YYYY-MM'),
        'opening_usd', usd(opening)::text,
        'usage', lines,
        'usage_of_other_months_usd', usd(billed - known)::text,
        'usage_usd', usd(billed)::text,
        'movements', moves,
        'closing_usd', usd(opening - billed + moved)::text);
END $$;

GRANT EXECUTE ON FUNCTION
    usage(timestamptz, timestamptz, text, text[]), statement(text, date)
    TO ai_admin;

-- only an owner that may create in the schema can be given a function

GRANT CREATE ON SCHEMA ai TO ai_tenant;
ALTER FUNCTION usage_report(text, text, text, text) OWNER TO ai_tenant;
REVOKE CREATE ON SCHEMA ai FROM ai_tenant;
