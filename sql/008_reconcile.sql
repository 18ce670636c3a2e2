-- Reconciliation: the ledger against what a provider says was used.


-- Rows of a provider's export, as tools/reconcile reads them: {"day", "model",
-- "key", "requests", "input_tokens", "output_tokens", "cost_usd"}.  A day,
-- model and key that is there already is replaced; numbers that are not given
-- (usage and cost come in exports of their own) stay as they are.

CREATE FUNCTION import_provider_usage(provider text, rows jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    n bigint;
BEGIN
    PERFORM check_name('provider', $1);

    IF coalesce(jsonb_typeof($2), '') <> 'array' THEN
        PERFORM refuse('22023', 'rows must be an array of objects');
    END IF;

    IF EXISTS (SELECT FROM jsonb_array_elements($2) e
               WHERE jsonb_typeof(e) <> 'object'
                   OR coalesce(e ->> 'day', '') !~ '^\d{4}-\d{2}-\d{2}$'
                   OR coalesce(octet_length(e ->> 'model'), 0)
                       NOT BETWEEN 1 AND 200
                   OR octet_length(e ->> 'key') > 200)
    THEN
        PERFORM refuse('22023', 'each of the rows needs a day and a model');
    END IF;

    INSERT INTO provider_usage AS p (provider, day, model, key, requests,
                                     input_tokens, output_tokens, cost_nanos)
    SELECT $1, r.day, r.model, coalesce(r.key, ''),
        coalesce(sum(r.requests), min(o.requests)),
        coalesce(sum(r.input_tokens), min(o.input_tokens), 0),
        coalesce(sum(r.output_tokens), min(o.output_tokens), 0),
        coalesce(round(sum(r.cost_usd) * 1000000000)::bigint,
                 min(o.cost_nanos::bigint))
    FROM jsonb_to_recordset($2) r (day date, model text, key text,
            requests bigint, input_tokens bigint, output_tokens bigint,
            cost_usd numeric)
        LEFT JOIN provider_usage o ON o.provider = $1 AND o.day = r.day
            AND o.model = r.model AND o.key = coalesce(r.key, '')
    GROUP BY r.day, r.model, coalesce(r.key, '')
    ON CONFLICT (provider, day, model, key) DO UPDATE SET
        requests = EXCLUDED.requests, input_tokens = EXCLUDED.input_tokens,
        output_tokens = EXCLUDED.output_tokens,
        cost_nanos = EXCLUDED.cost_nanos;

    GET DIAGNOSTICS n = ROW_COUNT;

    PERFORM audit_add('import_provider_usage', NULL,
        jsonb_build_object('provider', $1), jsonb_build_object('rows', n));

    RETURN jsonb_build_object('provider', $1, 'rows', n);
END $$;

-- By day (UTC), model and, where the export tells keys, key: the ledger's
-- numbers, the provider's, and in words what of them differs (ours less
-- theirs).  A model goes by the name that the provider uses: that of the answer,
-- of the target, or the one asked for.  "to" is the day after the last.

CREATE FUNCTION reconcile(provider text, "from" date, "to" date)
    RETURNS TABLE (day date, model text, key text, requests numeric,
        their_requests numeric, input_tokens numeric,
        their_input_tokens numeric, output_tokens numeric,
        their_output_tokens numeric, usd numeric, their_usd numeric,
        drift text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp SET timezone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
    keyed boolean;
BEGIN
    PERFORM check_name('provider', $1);
    PERFORM report_span($2::timestamptz, $3::timestamptz);

    keyed := EXISTS (SELECT FROM provider_usage p WHERE p.provider = $1
                     AND p.day >= $2 AND p.day < $3 AND p.key <> '');

    RETURN QUERY
    WITH theirs AS MATERIALIZED (
        SELECT p.* FROM provider_usage p
        WHERE p.provider = $1 AND p.day >= $2 AND p.day < $3
    ), names AS MATERIALIZED (
        SELECT DISTINCT t.model FROM theirs t
    ), ours AS (
        SELECT v.day, v.model, v.key, count(*) AS requests,
            sum(v.input_tokens) AS input_tokens,
            sum(v.output_tokens) AS output_tokens, sum(v.usd) AS usd
        FROM (SELECT u.time::date AS day,
                  coalesce((SELECT n.model FROM names n
                            WHERE n.model IN (u.served_model,
                                u.attempts -> -1 ->> 'model', u.model)
                            ORDER BY n.model = u.served_model DESC NULLS LAST,
                                n.model = u.model NULLS LAST LIMIT 1),
                      u.served_model, u.attempts -> -1 ->> 'model', u.model,
                      '') AS model,
                  CASE WHEN keyed THEN u.key ELSE '' END AS key,
                  coalesce(u.input_tokens, 0) AS input_tokens,
                  coalesce(u.output_tokens, 0) AS output_tokens,
                  coalesce(c.new_usd, u.cost_usd, 0) AS usd
              FROM usage_logs u
                  LEFT JOIN LATERAL (
                      SELECT c.new_usd FROM usage_corrections c
                      WHERE c.id = u.id ORDER BY c.rerate DESC LIMIT 1) c
                      ON true
              WHERE u.provider = $1 AND u.time >= $2::timestamptz
                  AND u.time < $3::timestamptz
                  AND u.id >= uuid_floor($2::timestamptz - interval '1 day')
                  AND u.id < uuid_floor($3::timestamptz + interval '1 day')
                  AND u.state <> 'refused' AND u.usage_source <> 'none') v
        GROUP BY 1, 2, 3
    ), pairs AS (
        SELECT coalesce(o.day, t.day) AS day, coalesce(o.model, t.model)
                AS model, coalesce(o.key, t.key) AS key,
            o.requests::numeric AS requests, t.requests::numeric AS t_requests,
            o.input_tokens::numeric AS input, t.input_tokens::numeric AS t_input,
            o.output_tokens::numeric AS output,
            t.output_tokens::numeric AS t_output,
            o.usd, usd(t.cost_nanos) AS t_usd,
            o.day IS NOT NULL AS here, t.day IS NOT NULL AS there
        FROM ours o FULL JOIN theirs t
            ON t.day = o.day AND t.model = o.model AND t.key = o.key
    )
    SELECT b.day, b.model, b.key, b.requests, b.t_requests, b.input,
        b.t_input, b.output, b.t_output, b.usd, b.t_usd,
        CASE WHEN NOT b.there THEN 'only in the ledger'
             WHEN NOT b.here THEN 'only at the provider'
             ELSE concat_ws(', ',
                 drift_word('requests', b.requests - b.t_requests),
                 drift_word('input tokens', b.input - b.t_input),
                 drift_word('output tokens', b.output - b.t_output),
                 drift_word('USD', b.usd - b.t_usd)) END
    FROM pairs b ORDER BY 1, 2, 3;
END $$;

CREATE FUNCTION drift_word(what text, d numeric) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN d <> 0 THEN CASE WHEN d > 0 THEN '+' ELSE '' END
                || trim_scale(d) || ' ' || what END
$$;
