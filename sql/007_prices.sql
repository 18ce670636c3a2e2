-- Prices: entering them, what a row costs by them, and re-rating.


-- ---- entering --------------------------------------------------------------

-- What a price was before it was changed or dropped: the tier of a row is not
-- in the row, and is found by what the row cost at the time.

CREATE TABLE price_changes (
    list            text COLLATE "C" NOT NULL,
    model           text COLLATE "C" NOT NULL,
    valid_from      timestamptz NOT NULL,
    tier            text NOT NULL,
    above           bigint NOT NULL,
    classes         jsonb NOT NULL,
    created_at      timestamptz NOT NULL,
    replaced_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX ON price_changes (list, model);

REVOKE ALL ON price_changes FROM PUBLIC;
GRANT SELECT ON price_changes TO ai_admin;

CREATE FUNCTION keep_price() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO price_changes (list, model, valid_from, tier, above, classes,
                               created_at)
    VALUES (OLD.list, OLD.model, OLD.valid_from, OLD.tier, OLD.above,
            OLD.classes, OLD.created_at);

    RETURN NULL;
END $$;

CREATE TRIGGER keep_price AFTER UPDATE OR DELETE ON prices
    FOR EACH ROW EXECUTE FUNCTION keep_price();

CREATE FUNCTION check_classes(classes jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    c     record;
    n     numeric;
    clean jsonb := '{}';
BEGIN
    IF coalesce(jsonb_typeof(classes), '') <> 'object' THEN
        PERFORM refuse('22023', 'classes must be an object like '
                       '{"input": 2.00, "output": 8.00}');
    END IF;

    FOR c IN SELECT e.key, e.value AS j, e.value #>> '{}' AS value
             FROM jsonb_each(classes) e LOOP
        PERFORM check_word('a class of tokens', c.key, '{input,input_audio,'
            'input_image,cache_read,cache_write,cache_write_5m,'
            'cache_write_30m,cache_write_1h,cache_write_12h,'
            'cache_write_other,output,output_audio,output_image}');

        IF jsonb_typeof(c.j) NOT IN ('number', 'string')
            OR c.value !~ '^[0-9]{1,10}([.][0-9]{1,20})?$'
        THEN
            PERFORM refuse('22023', format('the price of %s must be dollars '
                'per million tokens, 0 or more', c.key));
        END IF;

        n := dollars('the price of ' || c.key, c.value::numeric) * 0.000000001;
        clean := clean || jsonb_build_object(c.key, trim_scale(n));
    END LOOP;

    IF NOT clean ?| '{input,output}' THEN
        PERFORM refuse('22023', 'classes must name input or output');
    END IF;

    RETURN clean;
END $$;

-- Whatever a request is, some line must hold for it: of each tier one without
-- "above", and a standard one that holds by now.

CREATE FUNCTION check_price_lines(list text, model text) RETURNS void
LANGUAGE plpgsql SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    lines bigint;
BEGIN
    IF EXISTS (SELECT FROM prices p WHERE p.list = $1 AND p.model = $2)
        AND NOT EXISTS (SELECT FROM prices p WHERE p.list = $1
            AND p.model = $2 AND p.tier = 'standard' AND p.above = 0
            AND p.valid_from <= now())
    THEN
        PERFORM refuse('AI409', format('model %s would have no price today: '
            'it needs one of tier standard, without above, that holds by now',
            quote_literal($2)));
    END IF;

    IF EXISTS (SELECT FROM prices p WHERE p.list = $1 AND p.model = $2
               AND NOT EXISTS (SELECT FROM prices q WHERE q.list = p.list
                   AND q.model = p.model AND q.tier = p.tier AND q.above = 0))
    THEN
        PERFORM refuse('AI409', format('model %s needs a price without above '
            'for each of its tiers', quote_literal($2)));
    END IF;

    -- a directory's record holds 64, some of which may be replaced ones

    SELECT count(*) INTO lines FROM prices p
    WHERE p.list = $1 AND p.model = $2
        AND NOT EXISTS (SELECT FROM prices q
            WHERE q.list = p.list AND q.model = p.model AND q.tier = p.tier
                AND q.above = p.above AND q.valid_from > p.valid_from
                AND q.valid_from <= now() - interval '1 day');

    IF lines > 64 THEN
        PERFORM refuse('AI409', format('model %s has 64 prices that hold or '
                                       'will', quote_literal($2)));
    END IF;
END $$;

CREATE FUNCTION check_price_key(list text, model text, valid_from timestamptz,
    tier text, above bigint) RETURNS void
LANGUAGE plpgsql SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    PERFORM check_name('list', $1);
    PERFORM check_name('model', $2);
    PERFORM check_word('tier', $4, '{standard,flex,priority,batch,fast}');

    IF $3 IS NULL OR $4 IS NULL THEN
        PERFORM refuse('22023', 'valid_from and tier must not be null');
    END IF;

    IF $3 <> '-infinity' AND ($3 NOT BETWEEN '1970-01-01 00:00:00+00'
                                     AND '9999-12-31 23:59:59+00'
                              OR date_trunc('second', $3) <> $3)
    THEN
        PERFORM refuse('22023', 'valid_from must be a whole second between '
                       'the years 1970 and 9999');
    END IF;

    IF $5 IS NULL OR $5 NOT BETWEEN 0 AND 4503599627370496 THEN
        PERFORM refuse('22023', 'above must be a number of tokens');
    END IF;

    PERFORM pg_advisory_xact_lock(hashtext('ai.prices'), hashtext($2));
END $$;

-- One line of "price".  replace => true corrects a line that is there.

CREATE FUNCTION add_price(model text, classes jsonb,
    valid_from timestamptz DEFAULT '-infinity', tier text DEFAULT 'standard',
    above bigint DEFAULT 0, list text DEFAULT 'default',
    replace boolean DEFAULT false) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    clean jsonb;
    old   prices;
BEGIN
    PERFORM check_price_key($6, $1, $3, $4, $5);
    clean := check_classes($2);

    SELECT * INTO old FROM prices p WHERE p.list = $6 AND p.model = $1
        AND p.valid_from = $3 AND p.tier = $4 AND p.above = $5;

    IF old.id IS NULL THEN
        INSERT INTO prices (list, model, valid_from, tier, above, classes)
        VALUES ($6, $1, $3, $4, $5, clean);

    ELSIF old.origin = 'conf' THEN
        PERFORM refuse('AI409', 'this price is of nginx.conf');

    ELSIF NOT coalesce($7, false) AND old.classes <> clean THEN
        PERFORM refuse('AI409', format('model %s has another price of this '
            'date, tier and threshold: correct it with replace',
            quote_literal($1)));

    ELSIF old.classes <> clean THEN
        UPDATE prices p SET classes = clean, created_at = clock_timestamp()
        WHERE p.id = old.id;
    END IF;

    PERFORM check_price_lines($6, $1);
    PERFORM audit_add('add_price', NULL, jsonb_build_object('model', $1,
        'classes', clean, 'valid_from', $3, 'tier', $4, 'above', $5,
        'list', $6, 'replace', $7), CASE WHEN old.id IS NOT NULL
        THEN jsonb_build_object('was', old.classes) END);

    RETURN jsonb_build_object('model', $1, 'classes', clean,
                              'valid_from', $3, 'tier', $4, 'above', $5);
END $$;

CREATE FUNCTION drop_price(model text, valid_from timestamptz DEFAULT
    '-infinity', tier text DEFAULT 'standard', above bigint DEFAULT 0,
    list text DEFAULT 'default') RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    was jsonb;
BEGIN
    PERFORM check_price_key($5, $1, $2, $3, $4);

    DELETE FROM prices p WHERE p.list = $5 AND p.model = $1
        AND p.valid_from = $2 AND p.tier = $3 AND p.above = $4
        AND p.origin = 'sql'
    RETURNING p.classes INTO was;

    IF NOT FOUND THEN
        PERFORM refuse('AI404', 'no such price');
    END IF;

    PERFORM check_price_lines($5, $1);
    PERFORM audit_add('drop_price', NULL, jsonb_build_object('model', $1,
        'valid_from', $2, 'tier', $3, 'above', $4, 'list', $5),
        jsonb_build_object('was', was));

    RETURN jsonb_build_object('dropped', was);
END $$;

-- The price of a unit: the first one holds for all times, a later one from now
-- on; valid_from in the past corrects one, for ai.rerate().  Not in the future:
-- gateways know no date of it.

CREATE FUNCTION set_unit_price(model text, unit text, usd numeric,
    valid_from timestamptz DEFAULT NULL, list text DEFAULT 'default')
    RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    since timestamptz := coalesce($4, CASE WHEN EXISTS (
        SELECT FROM unit_prices u WHERE u.list = $5 AND u.model = $1
            AND u.unit = $2) THEN date_trunc('second', now())
        ELSE '-infinity' END);
BEGIN
    PERFORM check_price_key($5, $1, since, 'standard', 0);
    PERFORM check_word('unit', coalesce($2, ''),
        '{web_search,web_fetch,audio_second,character,image,request}');

    IF dollars('usd', $3) < 0 THEN
        PERFORM refuse('22023', 'usd must be 0 or more');
    END IF;

    IF since > now() THEN
        PERFORM refuse('22023', 'valid_from of a unit must not be in the '
                       'future');
    END IF;

    INSERT INTO unit_prices (list, model, unit, usd, valid_from)
    VALUES ($5, $1, $2, $3, since)
    ON CONFLICT (list, model, unit, valid_from)
    DO UPDATE SET usd = EXCLUDED.usd;

    PERFORM audit_add('set_unit_price', NULL, jsonb_build_object('model', $1,
        'unit', $2, 'usd', $3, 'valid_from', since, 'list', $5));

    RETURN jsonb_build_object('model', $1, 'unit', $2, 'usd', $3,
                              'valid_from', since);
END $$;

CREATE FUNCTION list_prices(model text DEFAULT NULL,
    list text DEFAULT 'default') RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT to_jsonb(p) - 'origin' || jsonb_build_object('units',
        (SELECT coalesce(jsonb_agg(jsonb_build_object('unit', u.unit,
                'usd', u.usd, 'valid_from', u.valid_from)
                ORDER BY u.unit, u.valid_from), '[]')
         FROM unit_prices u WHERE u.list = p.list AND u.model = p.model))
    FROM prices p
    WHERE p.list = $2 AND ($1 IS NULL OR p.model = $1)
    ORDER BY p.model, p.tier, p.above, p.valid_from
$$;


-- ---- what a row costs ------------------------------------------------------

-- As src/core/ai_price.c does.  Prices stand for classes by their names;
-- missing ones fall back within their line.

CREATE FUNCTION price_fill(c jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object('input', i, 'input_audio', i, 'input_image', i,
            'cache_read', i, 'cache_write_5m', w, 'cache_write_30m', w,
            'cache_write_1h', w, 'cache_write_12h', w,
            'cache_write_other', w, 'output', o, 'output_audio', o,
            'output_image', o) || (c - 'cache_write')
    FROM (SELECT coalesce(c -> 'input', '0') AS i,
              coalesce(c -> 'output', '0') AS o,
              coalesce(c -> 'cache_write', c -> 'input', '0') AS w) v
$$;

-- Lines as they were known at a time: a version counts until it was replaced.
-- "early": what was entered later counts too, in its first version.  NULL: as
-- they are.

CREATE FUNCTION price_lines(list text, model text, known timestamptz,
    early boolean)
    RETURNS TABLE (valid_from timestamptz, tier text, above bigint,
        classes jsonb)
LANGUAGE sql STABLE SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT p.valid_from, p.tier, p.above, p.classes FROM prices p
    WHERE p.list = $1 AND p.model = $2 AND $3 IS NULL
    UNION ALL
    (SELECT DISTINCT ON (v.valid_from, v.tier, v.above) v.valid_from, v.tier,
         v.above, v.classes
     FROM (SELECT p.valid_from, p.tier, p.above, p.classes, p.created_at,
               'infinity'::timestamptz AS replaced_at
           FROM prices p WHERE p.list = $1 AND p.model = $2
           UNION ALL
           SELECT c.valid_from, c.tier, c.above, c.classes, c.created_at,
               c.replaced_at
           FROM price_changes c WHERE c.list = $1 AND c.model = $2) v
     WHERE $3 IS NOT NULL AND v.replaced_at > $3
         AND (early OR v.created_at <= $3)
     ORDER BY v.valid_from, v.tier, v.above, v.replaced_at)
$$;

-- dollars per million tokens of the line that holds, NULL where none does

CREATE FUNCTION price_pick(list text, model text, tier text, at timestamptz,
    input_tokens numeric, known timestamptz, early boolean) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT price_fill(l.classes)
    FROM price_lines($1, $2, $6, $7) l
    WHERE l.tier IN ($3, 'standard') AND l.valid_from <= date_trunc('second', $4)
        AND (l.above = 0 OR $5 > l.above)
    ORDER BY l.tier = $3 DESC, l.above DESC, l.valid_from DESC LIMIT 1
$$;

CREATE FUNCTION classes_cost(classes jsonb, price jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(c.value::numeric * (price -> c.key)::numeric), 0)
    FROM jsonb_each(classes) c WHERE jsonb_typeof(c.value) = 'number'
$$;

CREATE FUNCTION classes_input(classes jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(c.value::numeric), 0) FROM jsonb_each(classes) c
    WHERE c.key NOT LIKE 'output%' AND jsonb_typeof(c.value) = 'number'
$$;

CREATE FUNCTION units_cost(list text, model text, at timestamptz, units jsonb)
    RETURNS numeric
LANGUAGE sql STABLE SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(u.value::numeric * (
        SELECT p.usd FROM unit_prices p
        WHERE p.list = $1 AND p.model = $2 AND p.valid_from <= $3
            AND p.unit = CASE u.key WHEN 'web_searches' THEN 'web_search'
                WHEN 'web_fetches' THEN 'web_fetch'
                ELSE rtrim(u.key, 's') END
        ORDER BY p.valid_from DESC LIMIT 1)), 0)
    FROM jsonb_each(units) u WHERE jsonb_typeof(u.value) = 'number'
$$;

-- Dollars of a row by the prices of "model", which served, rounded half up
-- once; NULL where no line holds.  Passes on other models cost what those do,
-- where they are priced.  When a message was in other passes, all of them are
-- in "sub" and the row's own classes are for display.

CREATE FUNCTION row_cost(list text, model text, tier text, at timestamptz,
    input_tokens numeric, classes jsonb, units jsonb, sub jsonb,
    known timestamptz DEFAULT NULL, early boolean DEFAULT false)
    RETURNS numeric
LANGUAGE plpgsql STABLE SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    line  jsonb := price_pick($1, $2, $3, $4, $5, $9, $10);
    total numeric := 0;     -- millionths of a dollar
    s     jsonb;
    other text;
BEGIN
    IF line IS NULL THEN
        RETURN NULL;
    END IF;

    IF $8 = '[]' THEN
        total := classes_cost($6, line);

    ELSIF NOT $8 @> '[{"kind": "message"}]'
        AND NOT $8 @> '[{"kind": "fallback_message"}]'
    THEN
        total := classes_cost($6, line);
    END IF;

    IF $7 <> '{}' THEN
        total := total + units_cost($1, $2, $4, $7) * 1000000;
    END IF;

    IF $8 <> '[]' THEN
        FOR s IN SELECT e FROM jsonb_array_elements($8) e
                 WHERE jsonb_typeof(e -> 'classes') = 'object' LOOP
            other := s ->> 'model';

            IF other IS NULL OR NOT EXISTS (SELECT FROM prices p
                WHERE p.list = $1 AND p.model = other)
            THEN
                other := $2;
            END IF;

            total := total + coalesce(classes_cost(s -> 'classes',
                price_pick($1, other, $3, $4, classes_input(s -> 'classes'),
                           $9, $10)), 0);
        END LOOP;
    END IF;

    RETURN least(round(total * 0.000001, 9), 4503599.627370496);
END $$;

-- A row's cost by the prices of today's knowledge.  What served it (the answer
-- named a model that is priced, or the one asked for did) and in which tier is
-- not in the row: where it makes a difference it is found by what the row cost
-- by the prices known at its time.  why: '' or the reason for no cost.

CREATE FUNCTION row_rate(u usage_logs, list text, OUT usd numeric,
    OUT why text)
LANGUAGE plpgsql STABLE SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    models text[];
    tiers  text[];
    costs  numeric[] := '{}';
    cost   numeric;
    early  boolean;
    m      text;
    t      text;
BEGIN
    models := ARRAY(
        SELECT v.name FROM (VALUES (1, u.served_model), (2, u.model))
            v (n, name)
        WHERE EXISTS (SELECT FROM prices p WHERE p.list = $2
                      AND p.model = v.name)
        GROUP BY v.name ORDER BY min(v.n));

    why := CASE
        WHEN u.served_model IN (SELECT c.name FROM conf_models c)
            OR NOT u.served_model = ANY (models)
               AND u.model IN (SELECT c.name FROM conf_models c)
        THEN 'priced by nginx.conf'
        WHEN models = '{}' THEN 'no price'
        ELSE '' END;

    IF $2 <> 'default' AND models <> '{}' THEN
        why := '';
    END IF;

    IF why <> '' THEN
        RETURN;
    END IF;

    tiers := ARRAY(SELECT DISTINCT v.tier FROM (
            SELECT p.model, p.tier FROM prices p WHERE p.list = $2
            UNION ALL
            SELECT c.model, c.tier FROM price_changes c WHERE c.list = $2) v
        WHERE v.model = ANY (models) OR v.model IN (
            SELECT e ->> 'model' FROM jsonb_array_elements(u.sub) e)
        ORDER BY v.tier = 'standard' DESC, v.tier);

    IF cardinality(models) > 1 OR cardinality(tiers) > 1 THEN

        -- the price list that was billed knows, whatever the list asked for

        FOREACH early IN ARRAY '{f,t}'::boolean[] LOOP
            FOREACH m IN ARRAY models LOOP
                FOREACH t IN ARRAY tiers LOOP
                    cost := row_cost('default', m, t, u.time,
                        u.input_tokens, u.classes, u.units, u.sub, u.time,
                        early);

                    IF cost = u.cost_usd THEN
                        costs := costs || row_cost($2, m, t, u.time,
                            u.input_tokens, u.classes, u.units, u.sub);
                    END IF;
                END LOOP;
            END LOOP;

            EXIT WHEN cardinality(costs) > 0;
        END LOOP;

        IF (SELECT count(DISTINCT c) FROM unnest(costs) c) = 1 THEN
            usd := costs[1];
            RETURN;
        END IF;

        IF $2 = 'default' THEN
            why := 'tier or model not known';
            RETURN;
        END IF;
    END IF;

    usd := row_cost($2, models[1], 'standard', u.time, u.input_tokens,
                    u.classes, u.units, u.sub);
    why := CASE WHEN usd IS NULL THEN 'no price at its time' ELSE '' END;
END $$;


-- ---- re-rating -------------------------------------------------------------

CREATE FUNCTION rerate_rows(model text, since timestamptz, until timestamptz,
    tenant text)
    RETURNS TABLE (id uuid, at timestamptz, tenant text, key text, model text,
        provider text, labels jsonb, old_usd numeric, new_usd numeric,
        why text)
LANGUAGE sql STABLE SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT u.id, u.time, u.tenant, u.key, coalesce(u.model, ''),
        coalesce(u.provider, ''), u.labels, coalesce(c.new_usd, u.cost_usd),
        r.usd, r.why
    FROM usage_logs u
        LEFT JOIN LATERAL (
            SELECT c.new_usd FROM usage_corrections c WHERE c.id = u.id
            ORDER BY c.rerate DESC LIMIT 1) c ON true
        CROSS JOIN LATERAL row_rate(u, 'default') r
    WHERE u.time >= $2 AND u.time < $3
        AND u.id >= uuid_floor($2 - interval '1 day')
        AND u.id < uuid_floor($3 + interval '1 day')
        AND ($4 IS NULL OR u.tenant = $4)
        AND ($1 IS NULL OR u.model = $1 OR u.served_model = $1
             OR u.sub @> jsonb_build_array(jsonb_build_object('model', $1)))
        AND u.cost_usd IS NOT NULL AND u.state <> 'refused'
$$;

-- Corrects what past rows cost: by the prices that, as known now, held at each
-- row's time.  The rows stay as they were billed; a correction stands beside
-- each that changed, the sums and balances follow, and a billing transaction of
-- each tenant says so.  dry_run: only tells.

CREATE FUNCTION rerate(reason text, model text, "from" timestamptz,
    "to" timestamptz, tenant text DEFAULT NULL, dry_run boolean DEFAULT false)
    RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp SET timezone = 'UTC' AS $$
#variable_conflict use_column
DECLARE
    zero constant uuid := '00000000-0000-0000-0000-000000000000';
    run  bigint;
    r    jsonb;
BEGIN
    PERFORM check_text('reason', $1, 1000);
    PERFORM report_span($3, $4);

    IF $2 IS NOT NULL THEN
        PERFORM check_name('model', $2);
    END IF;

    -- one after the other: each must see what the one before corrected

    PERFORM pg_advisory_xact_lock(hashtext('ai.rerate'));

    IF coalesce($6, false) THEN
        RETURN rerate_told(NULL, (SELECT jsonb_agg(v)
            FROM (SELECT x.tenant, x.model, x.why,
                      x.new_usd <> x.old_usd AS changed, count(*) AS rows,
                      sum(x.new_usd - x.old_usd) AS delta
                  FROM rerate_rows($2, $3, $4, $5) x
                  GROUP BY 1, 2, 3, 4) v));
    END IF;

    INSERT INTO rerates (actor, reason, model, tenant, from_time, to_time)
    VALUES (actor(), $1, $2, $5, $3, $4) RETURNING id INTO run;

    WITH seen AS MATERIALIZED (
        SELECT * FROM rerate_rows($2, $3, $4, $5)
    ), changed AS (
        SELECT s.*, ((s.new_usd - s.old_usd) * 1000000000)::bigint AS nanos
        FROM seen s WHERE s.new_usd <> s.old_usd
    ), corrections AS (
        INSERT INTO usage_corrections (rerate, id, tenant, old_usd, new_usd)
        SELECT run, c.id, c.tenant, c.old_usd, c.new_usd FROM changed c
    ), hourly AS (
        INSERT INTO usage_hourly AS h
        SELECT date_trunc('hour', c.at), c.tenant, c.key, c.model, c.provider,
            c.labels, zero, 0, 0, 0, 0, 0, 0, sum(c.nanos)
        FROM changed c GROUP BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (hour, tenant, key, model, provider, labels, node)
        DO UPDATE SET cost_nanos = h.cost_nanos + EXCLUDED.cost_nanos
    ), daily AS (
        INSERT INTO spend AS s (tenant, key, day, node, requests,
                                input_tokens, output_tokens, cost_nanos)
        SELECT c.tenant, coalesce(c.key, ''), c.day, zero, 0, 0, 0,
            sum(c.nanos)
        FROM (SELECT d.*, d.at::date AS day FROM changed d) c
        GROUP BY GROUPING SETS ((c.tenant, c.day, c.key), (c.tenant, c.day))
        HAVING GROUPING(c.key) = 1 OR c.key <> ''
        ON CONFLICT (tenant, key, day, node)
        DO UPDATE SET cost_nanos = s.cost_nanos + EXCLUDED.cost_nanos,
            changed = pg_current_xact_id()
    ), owed AS (
        SELECT c.tenant, sum(c.nanos)::bigint AS nanos FROM changed c
        GROUP BY 1 HAVING sum(c.nanos) <> 0
    ), entered AS (
        INSERT INTO billing_transactions (tenant, kind, reference, actor)
        SELECT o.tenant, 'rerate', 'rerate ' || run, actor() FROM owed o
        RETURNING id, tenant
    ), entries AS (
        INSERT INTO billing_entries (transaction, tenant, account,
                                     amount_nanos)
        SELECT e.id, e.tenant, a.account, a.sign * o.nanos
        FROM entered e JOIN owed o ON o.tenant = e.tenant
            CROSS JOIN (VALUES ('tenant', -1), ('revenue', 1))
                a (account, sign)
    ), balanced AS (
        INSERT INTO balances AS b (tenant, node, balance_nanos)
        SELECT o.tenant, zero, -o.nanos FROM owed o
        ON CONFLICT (tenant, node)
        DO UPDATE SET balance_nanos = b.balance_nanos + EXCLUDED.balance_nanos
    )
    SELECT rerate_told(run, jsonb_agg(v)) INTO r
    FROM (SELECT s.tenant, s.model, s.why, s.new_usd <> s.old_usd AS changed,
              count(*) AS rows, sum(s.new_usd - s.old_usd) AS delta
          FROM seen s GROUP BY 1, 2, 3, 4) v;

    IF (r ->> 'changed')::bigint = 0 THEN
        DELETE FROM rerates x WHERE x.id = run;
        r := jsonb_set(r, '{rerate}', 'null');

    ELSE
        UPDATE rerates x SET rows = (r ->> 'changed')::bigint,
            delta_nanos = ((r ->> 'delta_usd')::numeric * 1000000000)::bigint
        WHERE x.id = run;
    END IF;

    PERFORM audit_add('rerate', $5, jsonb_build_object('reason', $1,
        'model', $2, 'from', $3, 'to', $4, 'tenant', $5), r - 'tenants');

    RETURN r;
END $$;

-- the answer of rerate(), of sums by tenant, model, why and changed

CREATE FUNCTION rerate_told(run bigint, sums jsonb) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = ai, pg_catalog, pg_temp AS $$
    WITH sum AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(coalesce(sums, '[]'))
            v (tenant text, model text, why text, changed boolean,
               rows bigint, delta numeric)
    )
    SELECT jsonb_build_object('rerate', run,
        'rows', (SELECT coalesce(sum(s.rows), 0) FROM sum s),
        'changed', (SELECT coalesce(sum(s.rows), 0) FROM sum s
                    WHERE s.changed),
        'delta_usd', (SELECT coalesce(sum(s.delta), 0)::numeric(20,9)::text
                      FROM sum s WHERE s.changed),
        'untouched', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                'model', w.model, 'why', w.why, 'rows', w.rows)
                ORDER BY w.model, w.why), '[]')
            FROM (SELECT s.model, s.why, sum(s.rows) AS rows FROM sum s
                  WHERE s.why <> '' GROUP BY 1, 2) w),
        'tenants', (SELECT coalesce(jsonb_object_agg(w.tenant,
                w.delta::numeric(20,9)::text), '{}')
            FROM (SELECT s.tenant, sum(s.delta) AS delta FROM sum s
                  WHERE s.changed GROUP BY 1) w))
$$;


-- ---- savings ---------------------------------------------------------------

-- What was billed against price list 'list' (the providers' public prices, or
-- whatever it holds).  Rows whose model it does not price are counted apart.

CREATE VIEW savings AS
SELECT v.tenant, v.day, v.model, count(*) AS requests,
    coalesce(sum(v.rated_usd), 0) AS billed_usd,
    sum(v.list_usd) AS list_usd,
    sum(v.list_usd - v.rated_usd) AS saved_usd,
    count(*) FILTER (WHERE v.list_usd IS NULL) AS unlisted
FROM (SELECT u.tenant, (u.time AT TIME ZONE 'UTC')::date AS day,
          coalesce(u.model, '') AS model, coalesce(c.new_usd, u.cost_usd)
              AS rated_usd, r.usd AS list_usd
      FROM usage_logs u
          LEFT JOIN LATERAL (
              SELECT c.new_usd FROM usage_corrections c WHERE c.id = u.id
              ORDER BY c.rerate DESC LIMIT 1) c ON true
          CROSS JOIN LATERAL row_rate(u, 'list') r
      WHERE u.cost_usd IS NOT NULL AND u.state <> 'refused') v
GROUP BY v.tenant, v.day, v.model;

REVOKE ALL ON savings FROM PUBLIC;
GRANT SELECT ON savings TO ai_admin;
