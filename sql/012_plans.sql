-- Plans: the exact response cache, a priority that has its share, and patterns
-- of every model that nginx.conf can name.

-- A priority without a share was, and a share of best effort meant, nothing:
-- gateways took both for best effort.

DO $$
DECLARE
    p plans;
BEGIN
    FOR p IN
        UPDATE plans SET priority = 'best_effort', share = NULL,
            updated_at = now()
        WHERE (priority = 'best_effort') <> (share IS NULL)
        RETURNING *
    LOOP
        PERFORM audit_add('set_plan', NULL, jsonb_build_object('name', p.name,
            'priority', p.priority, 'share', 0));
    END LOOP;
END $$;

ALTER TABLE plans
    ADD COLUMN cache boolean NOT NULL DEFAULT false,
    ADD COLUMN cache_price integer NOT NULL DEFAULT 10  -- of a hit, per cent
        CHECK (cache_price BETWEEN 0 AND 100),
    ADD COLUMN cache_ttl integer CHECK (cache_ttl > 0), -- seconds
    ADD CHECK ((priority = 'best_effort') = (share IS NULL));

CREATE OR REPLACE FUNCTION check_models(models text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    pattern text;
    bytes   bigint := 0;
BEGIN
    FOREACH pattern IN ARRAY coalesce(models, '{}') LOOP
        IF pattern IS NULL OR pattern !~ '^[A-Za-z0-9._:@/+*-]{1,128}$' THEN
            PERFORM refuse('22023', format('models: %s is not a pattern of '
                'names', coalesce(quote_literal(left(pattern, 80)), 'null')));
        END IF;

        bytes := bytes + octet_length(pattern) + 8;
    END LOOP;

    IF cardinality(models) > 256 OR bytes > 12000 THEN
        PERFORM refuse('22023', 'models: too many patterns');
    END IF;

    RETURN models;
END $$;

DROP FUNCTION create_plan(text, text[], integer, text, text, text, text, text,
    integer, integer, integer);
DROP FUNCTION set_plan(text, text[], integer, text, text, text, text, text,
    integer, integer, integer);
DROP FUNCTION plan_fields(text, text[], integer, text, text, text, text, text,
    integer, integer, integer);

-- The words of ai_plan.  set_plan: max_output, share, queue and cache_ttl of 0,
-- and unbounded '', take the field away; so does best_effort with the share.

CREATE FUNCTION plan_fields(plan text, models text[], max_output integer,
    on_store_loss text, unbounded text, on_abort text, on_revoke text,
    priority text, share integer, queue integer, queue_timeout integer,
    cache boolean, cache_price integer, cache_ttl integer)
    RETURNS void
LANGUAGE plpgsql SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    now_has plans;
BEGIN
    PERFORM check_models($2);
    PERFORM check_word('on_store_loss', $4, '{local,closed,open}');
    PERFORM check_word('unbounded', nullif($5, ''), '{allow,refuse}');
    PERFORM check_word('on_abort', $6, '{cancel,drain}');
    PERFORM check_word('on_revoke', $7, '{cut,finish}');
    PERFORM check_word('priority', $8, '{best_effort,guaranteed,dedicated}');

    IF $3 < 0 THEN
        PERFORM refuse('22023', 'max_output must not be negative');
    END IF;

    IF $9 NOT BETWEEN 0 AND 100 THEN
        PERFORM refuse('22023', 'share must be 1 to 100 per cent');
    END IF;

    IF $10 NOT BETWEEN 0 AND 10000 THEN
        PERFORM refuse('22023', 'queue must be 1 to 10000 requests');
    END IF;

    IF $11 NOT BETWEEN 1 AND 60000 THEN
        PERFORM refuse('22023', 'queue_timeout must be 1 to 60000 '
                       'milliseconds');
    END IF;

    IF $13 NOT BETWEEN 0 AND 100 THEN
        PERFORM refuse('22023', 'cache_price must be 0 to 100 per cent');
    END IF;

    IF $14 < 0 THEN
        PERFORM refuse('22023', 'cache_ttl must not be negative');
    END IF;

    SELECT * INTO now_has FROM plans WHERE name = $1;

    now_has.priority := coalesce($8, now_has.priority);
    now_has.share := CASE WHEN $9 IS NOT NULL THEN nullif($9, 0)
                          WHEN $8 = 'best_effort' THEN NULL
                          ELSE now_has.share END;

    IF (now_has.priority = 'best_effort') <> (now_has.share IS NULL) THEN
        PERFORM refuse('22023', format('priority %s %s', now_has.priority,
            CASE WHEN now_has.share IS NULL THEN 'needs a share'
                 ELSE 'takes no share' END));
    END IF;

    UPDATE plans SET
        models = coalesce($2, models),
        max_output = CASE WHEN $3 IS NULL THEN max_output
                          ELSE nullif($3, 0) END,
        on_store_loss = coalesce($4, on_store_loss),
        unbounded = CASE WHEN $5 IS NULL THEN unbounded
                         ELSE nullif($5, '') END,
        on_abort = coalesce($6, on_abort),
        on_revoke = coalesce($7, on_revoke),
        priority = now_has.priority,
        share = now_has.share,
        queue = CASE WHEN $10 IS NULL THEN queue ELSE nullif($10, 0) END,
        queue_timeout = coalesce($11, queue_timeout),
        cache = coalesce($12, cache),
        cache_price = coalesce($13, cache_price),
        cache_ttl = CASE WHEN $14 IS NULL THEN cache_ttl
                         ELSE nullif($14, 0) END,
        updated_at = now()
    WHERE name = $1;
END $$;

CREATE FUNCTION create_plan(name text, models text[] DEFAULT '{}',
    max_output integer DEFAULT NULL, on_store_loss text DEFAULT 'local',
    unbounded text DEFAULT NULL, on_abort text DEFAULT 'cancel',
    on_revoke text DEFAULT 'cut', priority text DEFAULT 'best_effort',
    share integer DEFAULT NULL, queue integer DEFAULT NULL,
    queue_timeout integer DEFAULT NULL, cache boolean DEFAULT false,
    cache_price integer DEFAULT NULL, cache_ttl integer DEFAULT NULL)
    RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    origin text;
BEGIN
    PERFORM check_name('plan', $1);

    SELECT p.origin INTO origin FROM plans p WHERE p.name = $1;

    IF FOUND THEN
        PERFORM refuse('AI409', format('there is a plan %s already%s',
            quote_literal($1), CASE origin WHEN 'conf' THEN
            ', in nginx.conf' ELSE '' END));
    END IF;

    INSERT INTO plans (name) VALUES ($1);

    PERFORM plan_fields($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
        $12, $13, $14);
    PERFORM audit_add('create_plan', NULL, jsonb_build_object('name', $1,
        'models', $2, 'max_output', $3, 'on_store_loss', $4, 'unbounded', $5,
        'on_abort', $6, 'on_revoke', $7, 'priority', $8, 'share', $9,
        'queue', $10, 'queue_timeout', $11, 'cache', $12,
        'cache_price', $13, 'cache_ttl', $14));

    RETURN jsonb_build_object('name', $1);
END $$;

CREATE FUNCTION set_plan(name text, models text[] DEFAULT NULL,
    max_output integer DEFAULT NULL, on_store_loss text DEFAULT NULL,
    unbounded text DEFAULT NULL, on_abort text DEFAULT NULL,
    on_revoke text DEFAULT NULL, priority text DEFAULT NULL,
    share integer DEFAULT NULL, queue integer DEFAULT NULL,
    queue_timeout integer DEFAULT NULL, cache boolean DEFAULT NULL,
    cache_price integer DEFAULT NULL, cache_ttl integer DEFAULT NULL)
    RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    PERFORM find_plan(check_name('plan', $1));
    PERFORM plan_fields($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
        $12, $13, $14);
    PERFORM audit_add('set_plan', NULL, jsonb_build_object('name', $1,
        'models', $2, 'max_output', $3, 'on_store_loss', $4, 'unbounded', $5,
        'on_abort', $6, 'on_revoke', $7, 'priority', $8, 'share', $9,
        'queue', $10, 'queue_timeout', $11, 'cache', $12,
        'cache_price', $13, 'cache_ttl', $14));

    RETURN (SELECT to_jsonb(p) FROM plans p WHERE p.name = $1);
END $$;

GRANT EXECUTE ON FUNCTION create_plan(text, text[], integer, text, text, text,
    text, text, integer, integer, integer, boolean, integer, integer),
    set_plan(text, text[], integer, text, text, text, text, text, integer,
    integer, integer, boolean, integer, integer) TO ai_admin;

CREATE OR REPLACE VIEW feed_plans AS
SELECT p.name::text AS name,
    CASE WHEN cardinality(p.models) > 0
         THEN 'models ' || array_to_string(p.models, ' ') || E'\n'
         ELSE '' END
    || coalesce('max_output ' || p.max_output || E'\n', '')
    || 'on_store_loss ' || p.on_store_loss || E'\n'
    || coalesce('unbounded ' || p.unbounded || E'\n', '')
    || 'on_abort ' || p.on_abort || E'\n'
    || 'on_revoke ' || p.on_revoke || E'\n'
    || 'priority ' || p.priority || E'\n'
    || coalesce('share ' || p.share || E'\n', '')
    || coalesce('queue ' || p.queue || ' ' || p.queue_timeout || E'\n', '')
    || CASE WHEN p.cache
            THEN 'cache ' || p.cache_price || ' ' || coalesce(p.cache_ttl, 0)
                 || E'\n'
            ELSE '' END
    || coalesce((SELECT string_agg(limit_line(
            CASE WHEN r.per_key THEN 'key_limit' ELSE 'limit' END,
            r.resource, r.period, r.amount, r.burst), '' ORDER BY r.id)
        FROM rate_limits r WHERE r.plan = p.name), '') AS doc
FROM plans p WHERE p.origin = 'sql';
