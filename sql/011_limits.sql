-- Plans: requests that wait for a slot of "concurrency".

ALTER TABLE plans
    ADD COLUMN queue integer CHECK (queue BETWEEN 1 AND 10000),
    ADD COLUMN queue_timeout integer NOT NULL DEFAULT 2000  -- milliseconds
        CHECK (queue_timeout BETWEEN 1 AND 60000);

DROP FUNCTION create_plan(text, text[], integer, text, text, text, text, text,
    integer);
DROP FUNCTION set_plan(text, text[], integer, text, text, text, text, text,
    integer);
DROP FUNCTION plan_fields(text, text[], integer, text, text, text, text, text,
    integer);

-- The words of ai_plan.  set_plan: max_output, share and queue of 0, and
-- unbounded '', take the field away.

CREATE FUNCTION plan_fields(plan text, models text[], max_output integer,
    on_store_loss text, unbounded text, on_abort text, on_revoke text,
    priority text, share integer, queue integer, queue_timeout integer)
    RETURNS void
LANGUAGE plpgsql SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
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

    UPDATE plans SET
        models = coalesce($2, models),
        max_output = CASE WHEN $3 IS NULL THEN max_output
                          ELSE nullif($3, 0) END,
        on_store_loss = coalesce($4, on_store_loss),
        unbounded = CASE WHEN $5 IS NULL THEN unbounded
                         ELSE nullif($5, '') END,
        on_abort = coalesce($6, on_abort),
        on_revoke = coalesce($7, on_revoke),
        priority = coalesce($8, priority),
        share = CASE WHEN $9 IS NULL THEN share ELSE nullif($9, 0) END,
        queue = CASE WHEN $10 IS NULL THEN queue ELSE nullif($10, 0) END,
        queue_timeout = coalesce($11, queue_timeout),
        updated_at = now()
    WHERE name = $1;
END $$;

CREATE FUNCTION create_plan(name text, models text[] DEFAULT '{}',
    max_output integer DEFAULT NULL, on_store_loss text DEFAULT 'local',
    unbounded text DEFAULT NULL, on_abort text DEFAULT 'cancel',
    on_revoke text DEFAULT 'cut', priority text DEFAULT 'best_effort',
    share integer DEFAULT NULL, queue integer DEFAULT NULL,
    queue_timeout integer DEFAULT NULL) RETURNS jsonb
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

    PERFORM plan_fields($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);
    PERFORM audit_add('create_plan', NULL, jsonb_build_object('name', $1,
        'models', $2, 'max_output', $3, 'on_store_loss', $4, 'unbounded', $5,
        'on_abort', $6, 'on_revoke', $7, 'priority', $8, 'share', $9,
        'queue', $10, 'queue_timeout', $11));

    RETURN jsonb_build_object('name', $1);
END $$;

CREATE FUNCTION set_plan(name text, models text[] DEFAULT NULL,
    max_output integer DEFAULT NULL, on_store_loss text DEFAULT NULL,
    unbounded text DEFAULT NULL, on_abort text DEFAULT NULL,
    on_revoke text DEFAULT NULL, priority text DEFAULT NULL,
    share integer DEFAULT NULL, queue integer DEFAULT NULL,
    queue_timeout integer DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    PERFORM find_plan(check_name('plan', $1));
    PERFORM plan_fields($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);
    PERFORM audit_add('set_plan', NULL, jsonb_build_object('name', $1,
        'models', $2, 'max_output', $3, 'on_store_loss', $4, 'unbounded', $5,
        'on_abort', $6, 'on_revoke', $7, 'priority', $8, 'share', $9,
        'queue', $10, 'queue_timeout', $11));

    RETURN (SELECT to_jsonb(p) FROM plans p WHERE p.name = $1);
END $$;

GRANT EXECUTE ON FUNCTION create_plan(text, text[], integer, text, text, text,
    text, text, integer, integer, integer),
    set_plan(text, text[], integer, text, text, text, text, text, integer,
    integer, integer) TO ai_admin;

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
    || coalesce((SELECT string_agg(limit_line(
            CASE WHEN r.per_key THEN 'key_limit' ELSE 'limit' END,
            r.resource, r.period, r.amount, r.burst), '' ORDER BY r.id)
        FROM rate_limits r WHERE r.plan = p.name), '') AS doc
FROM plans p WHERE p.origin = 'sql';
