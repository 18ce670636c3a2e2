-- The directory: what gateways hear of tenants, keys, plans and prices.
--
-- Every change leaves a line in ai.changes, and a notification at COMMIT.
-- ai.directory() tells all there is, or what changed since a mark.  A mark is
-- the oldest transaction that was still open when something was read: the next
-- reading takes every line of that transaction and of later ones, so that a
-- line counts when its transaction commits, not when it was numbered.


-- ---- changes ---------------------------------------------------------------

-- The first argument of a trigger selects kind and name from "touched": rows
-- that came, went, or are not what they were.

CREATE FUNCTION note_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    kinds text[];
    word  text;
BEGIN
    EXECUTE format('WITH touched AS (%s),
            noted AS (INSERT INTO changes (kind, name)
                      SELECT DISTINCT c.kind, c.name::text
                      FROM (%s) c (kind, name)
                      RETURNING kind)
            SELECT array_agg(DISTINCT kind) FROM noted',
        CASE TG_OP
            WHEN 'INSERT' THEN 'TABLE new_rows'
            WHEN 'DELETE' THEN 'TABLE old_rows'
            ELSE '(TABLE new_rows EXCEPT TABLE old_rows) UNION ALL
                  (TABLE old_rows EXCEPT TABLE new_rows)'
        END, TG_ARGV[0])
    INTO kinds;

    FOREACH word IN ARRAY coalesce(kinds, '{}') LOOP
        PERFORM pg_notify('ai_changes', word);
    END LOOP;

    RETURN NULL;
END $$;

DO $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT * FROM (VALUES
            ('plans', 'SELECT ''plan'', name FROM touched
                       WHERE origin = ''sql'''),
            ('tenants', 'SELECT ''tenant'', name FROM touched
                         WHERE origin = ''sql'''),
            ('api_keys', 'SELECT ''key'', encode(digest, ''hex'')
                          FROM touched'),
            ('rate_limits',
             'SELECT ''plan'', plan FROM touched WHERE plan IS NOT NULL
              UNION ALL
              SELECT ''tenant'', tenant FROM touched
              WHERE tenant IS NOT NULL AND key IS NULL
              UNION ALL
              SELECT ''key'', encode(k.digest, ''hex'')
              FROM touched t JOIN api_keys k
                  ON k.tenant = t.tenant AND k.name = t.key
              WHERE k.revoked_at IS NULL'),
            ('prices', 'SELECT ''price'', model FROM touched
                        WHERE list = ''default'''),
            ('unit_prices', 'SELECT ''price'', model FROM touched
                             WHERE list = ''default'''),
            ('credits', 'SELECT ''tenant'', tenant FROM touched')
        ) v (name, query)
    LOOP
        EXECUTE format('CREATE TRIGGER note_insert AFTER INSERT ON %I
            REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
            EXECUTE FUNCTION note_changes(%L)', t.name, t.query);
        EXECUTE format('CREATE TRIGGER note_update AFTER UPDATE ON %I
            REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
            FOR EACH STATEMENT EXECUTE FUNCTION note_changes(%L)',
            t.name, t.query);
        EXECUTE format('CREATE TRIGGER note_delete AFTER DELETE ON %I
            REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT
            EXECUTE FUNCTION note_changes(%L)', t.name, t.query);
    END LOOP;
END $$;

-- Lines of changes are thrown away in time.  Who has a mark before the floor
-- may have missed some, and is told all there is.

CREATE TABLE feed_floor (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    xid         xid8 NOT NULL DEFAULT '0'
);

INSERT INTO feed_floor DEFAULT VALUES;

CREATE FUNCTION raise_feed_floor() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    UPDATE feed_floor f SET xid = o.next
    FROM (SELECT (max(changed::text::numeric) + 1)::text::xid8 AS next
          FROM old_rows) o
    WHERE o.next > f.xid;

    RETURN NULL;
END $$;

CREATE TRIGGER feed_floor AFTER DELETE ON changes
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION raise_feed_floor();

-- Where a pass of several pages stands: the mark is that of its first page.
-- A crash of the server empties it, and such a pass begins anew.

CREATE UNLOGGED TABLE feed_pages (
    mark        text NOT NULL,      -- as the gateway gave it
    after       text NOT NULL,      -- what it will give next
    begun       xid8 NOT NULL,      -- of the first page
    whole       boolean NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ON feed_pages (after, mark);
CREATE INDEX ON feed_pages (at);

-- models that nginx.conf prices itself

CREATE TABLE conf_models (
    name            ai.name PRIMARY KEY,
    registered_at   timestamptz NOT NULL DEFAULT now()
);

REVOKE ALL ON feed_floor, feed_pages, conf_models FROM PUBLIC;
GRANT SELECT ON feed_floor, feed_pages, conf_models TO ai_admin;


-- ---- documents -------------------------------------------------------------

-- lines of limits; a bucket without a burst is as deep as its amount

CREATE FUNCTION limit_line(word text, resource text, period text,
    amount bigint, burst bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT word || ' ' || resource || ' '
           || CASE period WHEN '' THEN '-' ELSE period END
           || ' ' || amount || ' '
           || CASE WHEN period IN ('s', 'm', 'h') THEN coalesce(burst, amount)
                   ELSE 0 END || E'\n'
$$;

CREATE VIEW feed_plans AS
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
    || coalesce((SELECT string_agg(limit_line(
            CASE WHEN r.per_key THEN 'key_limit' ELSE 'limit' END,
            r.resource, r.period, r.amount, r.burst), '' ORDER BY r.id)
        FROM rate_limits r WHERE r.plan = p.name), '') AS doc
FROM plans p WHERE p.origin = 'sql';

CREATE VIEW feed_tenants AS
SELECT t.name::text AS name,
    'plan ' || t.plan || E'\n' || 'state ' || t.state || E'\n'
    || CASE WHEN t.labels = '{}' THEN ''
            ELSE 'labels ' || t.labels::text || E'\n' END
    || coalesce((SELECT string_agg(limit_line(
            CASE WHEN r.per_key THEN 'key_limit' ELSE 'limit' END,
            r.resource, r.period, r.amount, r.burst), '' ORDER BY r.id)
        FROM rate_limits r WHERE r.tenant = t.name AND r.key IS NULL), '')
    || CASE WHEN t.prepaid THEN 'credit ' || greatest(0, coalesce(
            (SELECT sum(c.amount_nanos) FROM credits c
             WHERE c.tenant = t.name), 0)) || E'\n'
            ELSE '' END AS doc
FROM tenants t WHERE t.origin = 'sql';

-- a key that expired a day ago is as good as unknown

CREATE VIEW feed_keys AS
SELECT k.digest,
    'tenant ' || k.tenant || E'\n' || 'name ' || k.name || E'\n'
    || coalesce('expires ' || floor(extract(epoch FROM k.expires_at))
                || E'\n', '')
    || coalesce('models ' || array_to_string(k.models, ' ') || E'\n', '')
    || coalesce((SELECT string_agg(limit_line('limit', r.resource, r.period,
            r.amount, r.burst), '' ORDER BY r.id)
        FROM rate_limits r
        WHERE r.tenant = k.tenant AND r.key = k.name), '') AS doc
FROM api_keys k
WHERE k.revoked_at IS NULL
    AND (k.expires_at IS NULL OR k.expires_at > now() - interval '1 day');

-- A line that another one of its kind replaced is told for a day more, for
-- requests that began under it; a price of units has no date there.

CREATE VIEW feed_prices AS
SELECT p.model::text AS model,
    string_agg('price ' || p.tier || ' ' || p.above || ' '
        || CASE WHEN p.valid_from <= 'epoch' THEN 0
                ELSE floor(extract(epoch FROM p.valid_from)) END
        || (SELECT string_agg(' ' || c.key || '='
                || (c.value::numeric * 1000000000)::bigint, '')
            FROM jsonb_each_text(p.classes) c) || E'\n', ''
        ORDER BY p.valid_from, p.tier, p.above)
    || coalesce((SELECT string_agg('unit ' || u.unit || '='
                || (u.usd * 1000000000)::bigint || E'\n', '' ORDER BY u.unit)
        FROM unit_prices u
        WHERE u.list = 'default' AND u.model = p.model AND u.valid_from =
            (SELECT max(v.valid_from) FROM unit_prices v
             WHERE v.list = u.list AND v.model = u.model AND v.unit = u.unit
                 AND v.valid_from <= now())), '') AS doc
FROM prices p
WHERE p.list = 'default' AND p.origin = 'sql'
    AND NOT EXISTS (SELECT FROM prices q
        WHERE q.list = p.list AND q.model = p.model AND q.tier = p.tier
            AND q.above = p.above AND q.valid_from > p.valid_from
            AND q.valid_from <= now() - interval '1 day')
GROUP BY p.model;


-- ---- the feed --------------------------------------------------------------

-- Transaction ids belong to one history of one database: after a failover or
-- a restored backup a mark means nothing, and all is told again.  A cold copy
-- of the server's files has the same history as far as anybody can tell, but
-- it was started: so a mark ends with the server that gave it.  Hashed, for the
-- gateway keeps 63 bytes of a mark.

CREATE FUNCTION feed_history() RETURNS text
LANGUAGE sql STABLE SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT '/' || left(encode(sha256(convert_to(concat_ws('/',
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        left(pg_walfile_name(pg_current_wal_lsn()), 8),
        (SELECT system_identifier FROM pg_control_system()),
        extract(epoch FROM pg_postmaster_start_time())), 'UTF8')), 'hex'), 32)
$$;

-- the transaction that a mark names, NULL where it says nothing here

CREATE FUNCTION mark_xid(mark text) RETURNS xid8
LANGUAGE plpgsql STABLE SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    xid xid8;
BEGIN
    IF mark IS NULL OR mark !~ '^[0-9]{1,19}/'
        OR ltrim(mark, '0123456789') <> feed_history()
    THEN
        RETURN NULL;
    END IF;

    xid := split_part(mark, '/', 1)::xid8;

    RETURN CASE WHEN xid <= pg_snapshot_xmax(pg_current_snapshot())
                THEN xid END;
END $$;

-- More changes than this are told as a full load, whose pages are quicker.

CREATE FUNCTION feed_many() RETURNS integer
LANGUAGE sql IMMUTABLE AS 'SELECT 20000';

CREATE FUNCTION directory(text, text, integer)
    RETURNS TABLE (kind text, name text, doc text, mark text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    -- read before any other row is
    now_xid xid8 := pg_snapshot_xmin(pg_current_snapshot());
    begun   xid8;
    since   xid8 := mark_xid($1);
    kinds   text[] := '{p,m,t,k}';
    stage   integer;
    past    text;
    room    integer := $3;
    whole   boolean;
BEGIN
    IF $1 IS NULL OR $2 IS NULL OR $3 IS NULL OR $3 < 1 THEN
        PERFORM refuse('22023', 'bad arguments of ai.directory()');
    END IF;

    stage := coalesce(array_position(kinds, split_part($2, E'\t', 1)), 0);
    past := split_part($2, E'\t', 2);

    IF $2 <> '' AND (stage = 0 OR past = ''
                     OR stage = 4 AND past !~ '^[0-9a-f]{64}$')
    THEN
        PERFORM refuse('22023', 'bad "after" of ai.directory()');
    END IF;

    IF $2 = '' THEN
        begun := now_xid;
        whole := since IS NULL OR since < (SELECT f.xid FROM feed_floor f)
            OR feed_many() < (SELECT count(*) FROM
                              (SELECT FROM changes c WHERE c.changed >= since
                               LIMIT feed_many() + 1) many);

    ELSE
        -- two gateways may stand at one place: the older pass serves both

        SELECT min(f.begun::text::numeric)::text::xid8, bool_and(f.whole)
        INTO begun, whole
        FROM feed_pages f WHERE f.mark = $1 AND f.after = $2;

        whole := coalesce(whole, since IS NULL);
    END IF;

    mark := '';

    IF NOT whole THEN
        FOR kind, name, doc IN
            SELECT kinds[c.place], c.name, CASE c.place
                WHEN 1 THEN (SELECT f.doc FROM feed_plans f
                             WHERE f.name = c.name)
                WHEN 2 THEN (SELECT f.doc FROM feed_prices f
                             WHERE f.model = c.name)
                WHEN 3 THEN (SELECT f.doc FROM feed_tenants f
                             WHERE f.name = c.name)
                ELSE (SELECT f.doc FROM feed_keys f
                      WHERE f.digest = decode(c.name, 'hex')) END
            FROM (SELECT DISTINCT d.place, d.name
                  FROM (SELECT CASE c.kind WHEN 'plan' THEN 1
                                   WHEN 'price' THEN 2 WHEN 'tenant' THEN 3
                                   ELSE 4 END AS place,
                               c.name COLLATE "C" AS name
                        FROM changes c WHERE c.changed >= since) d
                  WHERE (d.place, d.name) > (stage, past)
                  ORDER BY d.place, d.name LIMIT room) c
            ORDER BY c.place, c.name
        LOOP
            RETURN NEXT;
            room := room - 1;
        END LOOP;
    END IF;

    IF whole AND stage <= 1 THEN
        FOR kind, name, doc IN
            SELECT 'p', f.name, f.doc FROM feed_plans f
            WHERE f.name > CASE stage WHEN 1 THEN past ELSE '' END COLLATE "C"
            ORDER BY f.name LIMIT room
        LOOP
            RETURN NEXT;
            room := room - 1;
        END LOOP;
    END IF;

    IF whole AND stage <= 2 AND room > 0 THEN
        FOR kind, name, doc IN
            SELECT 'm', f.model, f.doc FROM feed_prices f
            WHERE f.model > CASE stage WHEN 2 THEN past ELSE '' END COLLATE "C"
            ORDER BY f.model LIMIT room
        LOOP
            RETURN NEXT;
            room := room - 1;
        END LOOP;
    END IF;

    IF whole AND stage <= 3 AND room > 0 THEN
        FOR kind, name, doc IN
            SELECT 't', f.name, f.doc FROM feed_tenants f
            WHERE f.name > CASE stage WHEN 3 THEN past ELSE '' END COLLATE "C"
            ORDER BY f.name LIMIT room
        LOOP
            RETURN NEXT;
            room := room - 1;
        END LOOP;
    END IF;

    IF whole AND room > 0 THEN
        FOR kind, name, doc IN
            SELECT 'k', encode(f.digest, 'hex'), f.doc FROM feed_keys f
            WHERE f.digest > CASE stage WHEN 4 THEN decode(past, 'hex')
                             ELSE '' END
            ORDER BY f.digest LIMIT room
        LOOP
            RETURN NEXT;
            room := room - 1;
        END LOOP;
    END IF;

    IF room = 0 THEN
        -- the next page must know where its pass began; if a crash takes that,
        -- the pass is done again

        IF begun IS NOT NULL THEN
            PERFORM set_config('synchronous_commit', 'off', true);
            INSERT INTO feed_pages (mark, after, begun, whole)
            VALUES ($1, kind || E'\t' || name, begun, whole);
        END IF;

        IF $2 = '' THEN
            DELETE FROM feed_pages f WHERE f.at < now() - interval '10 min';
        END IF;

        RETURN;
    END IF;

    kind := 'end';
    name := coalesce((SELECT max(c.seq) FROM changes c), 0);
    doc := CASE WHEN whole THEN 'full' ELSE 'changes' END;

    -- a pass whose beginning is not known, or that lost some lines meanwhile,
    -- is done again

    mark := CASE WHEN begun IS NULL OR NOT whole
                      AND since < (SELECT f.xid FROM feed_floor f)
                 THEN '' ELSE begun || feed_history() END;
    RETURN NEXT;
END $$;


-- ---- what others spent -----------------------------------------------------

CREATE FUNCTION is_budget(resource text, period text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT period IN ('day', 'month') OR resource = 'cost'
$$;

-- Tenants of nginx.conf are told as well: their limits are not known here.
-- Who has got a limit or is prepaid now is told of what was used before.

CREATE FUNCTION spend_others(uuid, text)
    RETURNS TABLE (tenant text, key text, day integer, month integer,
        d_requests bigint, d_input bigint, d_output bigint, d_cost bigint,
        m_requests bigint, m_input bigint, m_output bigint, m_cost bigint,
        t_cost bigint, mark text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    now_xid xid8 := pg_snapshot_xmin(pg_current_snapshot());
    since   xid8 := coalesce(mark_xid($2), '0');
    today   date := (now() AT TIME ZONE 'UTC')::date;
    first   date := date_trunc('month', today)::date;
BEGIN
    IF since < (SELECT f.xid FROM feed_floor f) THEN
        since := '0';
    END IF;

    RETURN QUERY
    WITH changed AS (
        SELECT c.name COLLATE "C" AS tenant FROM changes c
        WHERE c.changed >= since AND c.kind = 'tenant'
        UNION
        SELECT t.name FROM changes c JOIN tenants t ON t.plan = c.name
        WHERE c.changed >= since AND c.kind = 'plan'
        UNION
        SELECT k.tenant FROM changes c
            JOIN api_keys k ON k.digest = decode(c.name, 'hex')
        WHERE c.changed >= since AND c.kind = 'key'
    ), touched AS (
        SELECT s.tenant, s.key FROM spend s
        WHERE s.changed >= since AND s.node <> $1
        UNION
        SELECT s.tenant, s.key FROM changed c
            JOIN spend s ON s.tenant = c.tenant
        WHERE since > '0' AND s.node <> $1
    ), judged AS (
        SELECT c.tenant, c.key, t.prepaid AND c.key = '' AS prepaid
        FROM touched c JOIN tenants t ON t.name = c.tenant
        WHERE t.origin = 'conf' OR (t.prepaid AND c.key = '')
            OR EXISTS (SELECT FROM rate_limits r
                       WHERE r.plan = t.plan AND r.per_key = (c.key <> '')
                           AND is_budget(r.resource, r.period))
            OR EXISTS (SELECT FROM rate_limits r
                       WHERE r.tenant = t.name
                           AND is_budget(r.resource, r.period)
                           AND CASE WHEN c.key = ''
                                    THEN r.key IS NULL AND NOT r.per_key
                                    ELSE r.per_key OR r.key = c.key END)
    )
    SELECT j.tenant, j.key, to_char(today, 'YYYYMMDD')::integer,
        to_char(today, 'YYYYMM')::integer,
        coalesce(u.d_requests, 0), coalesce(u.d_input, 0),
        coalesce(u.d_output, 0), coalesce(u.d_cost, 0),
        coalesce(u.m_requests, 0), coalesce(u.m_input, 0),
        coalesce(u.m_output, 0), coalesce(u.m_cost, 0),
        CASE WHEN j.prepaid THEN coalesce(u.t_cost, 0) ELSE 0 END, ''
    FROM judged j CROSS JOIN LATERAL (
        SELECT
            (sum(s.requests) FILTER (WHERE s.day = today))::bigint
                AS d_requests,
            (sum(s.input_tokens) FILTER (WHERE s.day = today))::bigint
                AS d_input,
            (sum(s.output_tokens) FILTER (WHERE s.day = today))::bigint
                AS d_output,
            (sum(s.cost_nanos) FILTER (WHERE s.day = today))::bigint
                AS d_cost,
            (sum(s.requests) FILTER (WHERE s.day >= first))::bigint
                AS m_requests,
            (sum(s.input_tokens) FILTER (WHERE s.day >= first))::bigint
                AS m_input,
            (sum(s.output_tokens) FILTER (WHERE s.day >= first))::bigint
                AS m_output,
            (sum(s.cost_nanos) FILTER (WHERE s.day >= first))::bigint
                AS m_cost,
            sum(s.cost_nanos)::bigint AS t_cost
        FROM spend s
        WHERE s.tenant = j.tenant AND s.key = j.key AND s.node <> $1
            AND s.day <= today
            AND s.day >= CASE WHEN j.prepaid THEN '-infinity' ELSE first END
    ) u;

    tenant := NULL;
    mark := now_xid || feed_history();
    RETURN NEXT;
END $$;


-- ---- gateways --------------------------------------------------------------

CREATE FUNCTION hello(uuid, text, text, integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    have integer := (SELECT max(m.version) FROM migrations m);
BEGIN
    IF coalesce(have, 0) < $4 THEN
        PERFORM refuse('AI001', format('the schema of this database is '
            'version %s and this gateway needs %s: apply the migrations '
            '(tools/db migrate)', coalesce(have, 0), $4));
    END IF;

    INSERT INTO nodes AS n (node, host, version)
    VALUES ($1, left($2, 255), left($3, 255))
    ON CONFLICT (node) DO UPDATE SET host = EXCLUDED.host,
        version = EXCLUDED.version, last_seen = now();
END $$;

-- Names of nginx.conf.  It wins over SQL: a name that both have is a clash,
-- an alert once and a line of the answer each time.

CREATE FUNCTION registered(doc text)
    RETURNS TABLE (kind text, name text, more text, digest text)
LANGUAGE sql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT split_part(l, ' ', 1), split_part(l, ' ', 2), split_part(l, ' ', 3),
        split_part(l, ' ', 4)
    FROM string_to_table(doc, E'\n') l WHERE l <> ''
$$;

CREATE FUNCTION register(uuid, text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    word text := '[A-Za-z0-9._:@/-]{1,64}';
    line text;
    r    record;
    answer text := '';
BEGIN
    SELECT l INTO line FROM string_to_table($2, E'\n') l
    WHERE l <> '' AND l !~ ('^([pm] ' || word || '|t ' || word || ' ' || word
        || '|k ' || word || ' ' || word || ' [0-9a-f]{64})$') LIMIT 1;

    IF FOUND THEN
        PERFORM refuse('22023', format('bad line of ai.register(): %s',
            quote_literal(left(regexp_replace(line,
                '[0-9A-Fa-f]{24,}', '...', 'g'), 160))));
    END IF;

    -- in one order everywhere, so that gateways that start together wait and
    -- do not deadlock

    INSERT INTO plans (name, origin)
    SELECT DISTINCT v.name, 'conf' FROM (
        SELECT g.name FROM registered($2) g WHERE g.kind = 'p'
        UNION SELECT g.more FROM registered($2) g WHERE g.kind = 't') v
    ORDER BY 1
    ON CONFLICT DO NOTHING;

    INSERT INTO tenants AS t (name, plan, origin)
    SELECT DISTINCT ON (g.name) g.name, g.more, 'conf'
    FROM registered($2) g WHERE g.kind = 't' ORDER BY g.name
    ON CONFLICT (name) DO UPDATE SET plan = EXCLUDED.plan, updated_at = now()
        WHERE t.origin = 'conf' AND t.plan <> EXCLUDED.plan;

    INSERT INTO conf_models (name)
    SELECT DISTINCT g.name FROM registered($2) g WHERE g.kind = 'm'
    ORDER BY 1
    ON CONFLICT DO NOTHING;

    FOR r IN
        SELECT g.name AS tenant, 'plan ' || g.name AS subject,
            format('plan %s is in SQL too', g.name) AS clash
        FROM registered($2) g JOIN plans p ON p.name = g.name
        WHERE g.kind = 'p' AND p.origin = 'sql'
        UNION ALL
        SELECT g.name, 'tenant ' || g.name,
            format('tenant %s is in SQL too', g.name)
        FROM registered($2) g JOIN tenants t ON t.name = g.name
        WHERE g.kind = 't' AND t.origin = 'sql'
        UNION ALL
        SELECT g.name, 'key ' || left(g.digest, 8),
            format('key %s... of tenant %s is in SQL for tenant %s',
                   left(g.digest, 8), g.name, k.tenant)
        FROM registered($2) g
            JOIN api_keys k ON k.digest = decode(g.digest, 'hex')
        WHERE g.kind = 'k' AND k.revoked_at IS NULL
        UNION ALL
        SELECT '', 'model ' || g.name,
            format('model %s has prices in SQL too', g.name)
        FROM registered($2) g
        WHERE g.kind = 'm' AND EXISTS (SELECT FROM prices p
            WHERE p.list = 'default' AND p.model = g.name)
        ORDER BY 3
    LOOP
        answer := answer || r.clash || E'\n';

        PERFORM raise_clash(CASE WHEN r.subject LIKE 'plan %' THEN ''
                            ELSE r.tenant END, r.subject, r.clash, $1);
    END LOOP;

    RETURN answer;
END $$;

CREATE FUNCTION raise_clash(tenant text, subject text, clash text, node uuid)
    RETURNS void
LANGUAGE plpgsql SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    a alerts;
BEGIN
    INSERT INTO alerts (tenant, kind, subject, detail)
    VALUES ($1, 'clash', $2, jsonb_build_object('text', $3, 'node', $4))
    ON CONFLICT DO NOTHING
    RETURNING * INTO a;

    IF a.id IS NOT NULL THEN
        PERFORM pg_notify('ai_alerts', alert_text(a));
    END IF;
END $$;

GRANT EXECUTE ON FUNCTION directory(text, text, integer),
    spend_others(uuid, text), hello(uuid, text, text, integer),
    register(uuid, text) TO ai_gateway;
