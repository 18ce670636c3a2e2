-- Administration: plans, tenants, users, keys, limits, credit.
--
-- Each function takes named arguments, answers with jsonb and leaves one row
-- in ai.audit.  SQLSTATE 22023: a bad argument; AI404: no such object; AI409:
-- it conflicts with what is there.  In the functions that change something an
-- argument that is NULL, or not given, leaves its field as it is.


-- ---- what all of them need -------------------------------------------------

CREATE FUNCTION refuse(code text, message text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message;
END $$;

-- who acts: a connection of many administrators says it in ai.actor

CREATE FUNCTION actor() RETURNS text
LANGUAGE sql STABLE SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT left(coalesce(nullif(current_setting('ai.actor', true), ''),
                         session_user::text), 128)
$$;

CREATE FUNCTION audit_add(action text, tenant text, arguments jsonb,
    result jsonb DEFAULT NULL) RETURNS void
LANGUAGE sql SET search_path = ai, pg_catalog, pg_temp AS $$
    INSERT INTO audit (actor, action, tenant, arguments, result)
    VALUES (actor(), action, tenant, jsonb_strip_nulls(arguments), result)
$$;

CREATE FUNCTION check_name(what text, value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    IF value IS NULL THEN
        PERFORM refuse('22023', format('%s is missing', what));
    END IF;

    IF value !~ '^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,63}$' THEN
        PERFORM refuse('22023', format('%s %s is not a name: 1 to 64 letters, '
            'digits and . _ : @ / - of which the first is a letter or digit',
            what, quote_literal(left(value, 80))));
    END IF;

    RETURN value;
END $$;

CREATE FUNCTION check_word(what text, value text, words text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    IF value <> ALL (words) THEN
        PERFORM refuse('22023', format('%s must be one of %s, not %s', what,
            array_to_string(words, ', '), quote_literal(left(value, 80))));
    END IF;

    RETURN value;
END $$;

-- free text of a payment, a reason, ...: one line

CREATE FUNCTION check_text(what text, value text, most integer) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    IF value IS NULL OR btrim(value) = '' THEN
        PERFORM refuse('22023', format('%s is missing', what));
    END IF;

    IF octet_length(value) > most OR value ~ '[[:cntrl:]]' THEN
        PERFORM refuse('22023', format('%s must be one line of at most %s '
            'bytes', what, most));
    END IF;

    RETURN value;
END $$;

-- patterns of models, as "models" of nginx.conf takes them; what they may
-- measure together is what the gateways' directory has room for

CREATE FUNCTION check_models(models text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    pattern text;
    bytes   bigint := 0;
BEGIN
    FOREACH pattern IN ARRAY coalesce(models, '{}') LOOP
        IF pattern IS NULL OR pattern !~ '^[A-Za-z0-9._:@/*-]{1,64}$' THEN
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

CREATE FUNCTION check_labels(labels jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    l record;
BEGIN
    IF jsonb_typeof(labels) <> 'object' THEN
        PERFORM refuse('22023', 'labels must be an object of strings');
    END IF;

    FOR l IN SELECT * FROM jsonb_each(coalesce(labels, '{}')) LOOP
        PERFORM check_name('label', l.key);

        IF jsonb_typeof(l.value) <> 'string' THEN
            PERFORM refuse('22023', format('label %s must be a string',
                                           l.key));
        END IF;
    END LOOP;

    IF octet_length(labels::text) > 256 THEN
        PERFORM refuse('22023', 'labels are longer than 256 bytes of JSON');
    END IF;

    RETURN labels;
END $$;

-- dollars as nano-dollars; 2^52 of them is what gateways count to

CREATE FUNCTION dollars(what text, usd numeric) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    IF usd IS NULL THEN
        PERFORM refuse('22023', format('%s is missing', what));
    END IF;

    IF usd IN ('NaN', 'Infinity', '-Infinity')
        OR abs(usd) > 4503599.627370496
    THEN
        PERFORM refuse('22023', format('%s is out of range: at most '
            '4503599.627370496 dollars', what));
    END IF;

    IF trunc(usd, 9) <> usd THEN
        PERFORM refuse('22023', format('%s has more than nine decimal places',
                                       what));
    END IF;

    RETURN (usd * 1000000000)::bigint;
END $$;

CREATE FUNCTION usd(nanos numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT round(nanos * 0.000000001, 9)
$$;

-- finds, and locks, a row that SQL may change

CREATE FUNCTION find_plan(plan text) RETURNS plans
LANGUAGE plpgsql SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    p plans;
BEGIN
    SELECT * INTO p FROM plans WHERE name = plan FOR UPDATE;

    IF NOT FOUND THEN
        PERFORM refuse('AI404', format('no plan %s', quote_literal(plan)));
    END IF;

    IF p.origin = 'conf' THEN
        PERFORM refuse('AI409', format('plan %s is in nginx.conf: change it '
            'there, or remove it there and adopt it', quote_literal(plan)));
    END IF;

    RETURN p;
END $$;

CREATE FUNCTION find_tenant(tenant text, conf_too boolean DEFAULT false)
    RETURNS tenants
LANGUAGE plpgsql SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    t tenants;
BEGIN
    SELECT * INTO t FROM tenants WHERE name = tenant FOR NO KEY UPDATE;

    IF NOT FOUND THEN
        PERFORM refuse('AI404', format('no tenant %s', quote_literal(tenant)));
    END IF;

    IF t.origin = 'conf' AND NOT conf_too THEN
        PERFORM refuse('AI409', format('tenant %s is in nginx.conf: change it '
            'there, or remove it there and adopt it', quote_literal(tenant)));
    END IF;

    RETURN t;
END $$;


-- ---- plans -----------------------------------------------------------------

-- The words of ai_plan.  set_plan: max_output and share of 0, and unbounded
-- '', take the field away.

CREATE FUNCTION create_plan(name text, models text[] DEFAULT '{}',
    max_output integer DEFAULT NULL, on_store_loss text DEFAULT 'local',
    unbounded text DEFAULT NULL, on_abort text DEFAULT 'cancel',
    on_revoke text DEFAULT 'cut', priority text DEFAULT 'best_effort',
    share integer DEFAULT NULL) RETURNS jsonb
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

    PERFORM plan_fields($1, $2, $3, $4, $5, $6, $7, $8, $9);
    PERFORM audit_add('create_plan', NULL, jsonb_build_object('name', $1,
        'models', $2, 'max_output', $3, 'on_store_loss', $4, 'unbounded', $5,
        'on_abort', $6, 'on_revoke', $7, 'priority', $8, 'share', $9));

    RETURN jsonb_build_object('name', $1);
END $$;

CREATE FUNCTION plan_fields(plan text, models text[], max_output integer,
    on_store_loss text, unbounded text, on_abort text, on_revoke text,
    priority text, share integer) RETURNS void
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
        updated_at = now()
    WHERE name = $1;
END $$;

CREATE FUNCTION set_plan(name text, models text[] DEFAULT NULL,
    max_output integer DEFAULT NULL, on_store_loss text DEFAULT NULL,
    unbounded text DEFAULT NULL, on_abort text DEFAULT NULL,
    on_revoke text DEFAULT NULL, priority text DEFAULT NULL,
    share integer DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    PERFORM find_plan(check_name('plan', $1));
    PERFORM plan_fields($1, $2, $3, $4, $5, $6, $7, $8, $9);
    PERFORM audit_add('set_plan', NULL, jsonb_build_object('name', $1,
        'models', $2, 'max_output', $3, 'on_store_loss', $4, 'unbounded', $5,
        'on_abort', $6, 'on_revoke', $7, 'priority', $8, 'share', $9));

    RETURN (SELECT to_jsonb(p) FROM plans p WHERE p.name = $1);
END $$;

CREATE FUNCTION drop_plan(name text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    used bigint;
BEGIN
    PERFORM find_plan(check_name('plan', $1));

    SELECT count(*) INTO used FROM tenants t WHERE t.plan = $1;

    IF used > 0 THEN
        PERFORM refuse('AI409', format('plan %s is used by %s tenant(s)',
                                       quote_literal($1), used));
    END IF;

    DELETE FROM plans p WHERE p.name = $1;

    PERFORM audit_add('drop_plan', NULL, jsonb_build_object('name', $1));

    RETURN jsonb_build_object('dropped', $1);
END $$;

CREATE INDEX ON tenants (plan);


-- ---- tenants and users -----------------------------------------------------

CREATE FUNCTION check_shares(shares integer[]) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    IF cardinality(shares) > 10
        OR EXISTS (SELECT FROM unnest(shares) s
                   WHERE s IS NULL OR s NOT BETWEEN 1 AND 1000)
    THEN
        PERFORM refuse('22023', 'alert_shares must be at most 10 numbers of '
                       'per cent, each 1 to 1000');
    END IF;

    RETURN ARRAY(SELECT DISTINCT s FROM unnest(shares) s ORDER BY s);
END $$;

CREATE FUNCTION create_tenant(name text, plan text, labels jsonb DEFAULT '{}',
    prepaid boolean DEFAULT false,
    alert_shares integer[] DEFAULT '{50,80,100}') RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    origin text;
BEGIN
    PERFORM check_name('tenant', $1);
    PERFORM check_name('plan', $2);
    PERFORM check_labels($3);

    SELECT t.origin INTO origin FROM tenants t WHERE t.name = $1;

    IF FOUND THEN
        PERFORM refuse('AI409', format('there is a tenant %s already%s',
            quote_literal($1), CASE origin WHEN 'conf' THEN
            ', in nginx.conf' ELSE '' END));
    END IF;

    IF NOT EXISTS (SELECT FROM plans p WHERE p.name = $2) THEN
        PERFORM refuse('AI404', format('no plan %s', quote_literal($2)));
    END IF;

    INSERT INTO tenants (name, plan, labels, prepaid, alert_shares)
    VALUES ($1, $2, coalesce($3, '{}'), coalesce($4, false),
            check_shares(coalesce($5, '{}')));

    PERFORM audit_add('create_tenant', $1, jsonb_build_object('name', $1,
        'plan', $2, 'labels', $3, 'prepaid', $4, 'alert_shares', $5));

    RETURN jsonb_build_object('name', $1, 'plan', $2);
END $$;

CREATE FUNCTION set_tenant(name text, plan text DEFAULT NULL,
    labels jsonb DEFAULT NULL, prepaid boolean DEFAULT NULL,
    alert_shares integer[] DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM find_tenant(check_name('tenant', $1));
    PERFORM check_labels($3);

    IF $2 IS NOT NULL AND NOT EXISTS (SELECT FROM plans p
                                      WHERE p.name = $2)
    THEN
        PERFORM refuse('AI404', format('no plan %s', quote_literal($2)));
    END IF;

    UPDATE tenants SET
        plan = coalesce($2, plan),
        labels = coalesce($3, labels),
        prepaid = coalesce($4, prepaid),
        alert_shares = coalesce(check_shares($5), alert_shares),
        updated_at = now()
    WHERE name = $1;

    PERFORM audit_add('set_tenant', $1, jsonb_build_object('name', $1,
        'plan', $2, 'labels', $3, 'prepaid', $4, 'alert_shares', $5));

    RETURN (SELECT to_jsonb(t) FROM tenants t WHERE t.name = $1);
END $$;

CREATE FUNCTION tenant_state(tenant text, state text, action text)
    RETURNS jsonb
LANGUAGE plpgsql SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM find_tenant(check_name('tenant', $1));

    UPDATE tenants SET state = $2, updated_at = now()
    WHERE name = $1 AND state <> $2;

    PERFORM audit_add($3, $1, jsonb_build_object('name', $1));

    RETURN jsonb_build_object('name', $1, 'state', $2);
END $$;

CREATE FUNCTION suspend_tenant(name text) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT tenant_state($1, 'suspended', 'suspend_tenant')
$$;

CREATE FUNCTION resume_tenant(name text) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT tenant_state($1, 'active', 'resume_tenant')
$$;

CREATE FUNCTION create_user(tenant text, name text, email text DEFAULT NULL)
    RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM find_tenant(check_name('tenant', $1));
    PERFORM check_name('user', $2);

    IF $3 !~ '^[^[:space:][:cntrl:]@]+@[^[:space:][:cntrl:]@]+$'
        OR octet_length($3) > 320
    THEN
        PERFORM refuse('22023', 'email is not an address');
    END IF;

    INSERT INTO users (tenant, name, email) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING;

    IF NOT FOUND THEN
        PERFORM refuse('AI409', format('there is a user %s of tenant %s '
            'already', quote_literal($2), quote_literal($1)));
    END IF;

    PERFORM audit_add('create_user', $1, jsonb_build_object('tenant', $1,
        'name', $2, 'email', $3));

    RETURN jsonb_build_object('tenant', $1, 'name', $2);
END $$;

-- Takes over a plan, a tenant or a model that nginx.conf had and has no more:
-- from now on it is SQL's.  If nginx.conf still has it, nginx.conf wins and
-- the next start of a gateway reports the clash.

CREATE FUNCTION adopt(kind text, name text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM check_word('kind', coalesce($1, ''), '{plan,tenant,model}');
    PERFORM check_name($1, $2);

    CASE $1
        WHEN 'plan' THEN
            UPDATE plans SET origin = 'sql', updated_at = now()
            WHERE name = $2 AND origin = 'conf';
        WHEN 'tenant' THEN
            UPDATE tenants SET origin = 'sql', updated_at = now()
            WHERE name = $2 AND origin = 'conf';
        ELSE
            DELETE FROM conf_models WHERE name = $2;
    END CASE;

    IF NOT FOUND THEN
        PERFORM refuse('AI404', format('no %s %s of nginx.conf', $1,
                                       quote_literal($2)));
    END IF;

    PERFORM audit_add('adopt', CASE $1 WHEN 'tenant' THEN $2 END,
                      jsonb_build_object('kind', $1, 'name', $2));

    RETURN jsonb_build_object('adopted', $2);
END $$;


-- ---- keys ------------------------------------------------------------------

-- CRC-32 (IEEE) as six digits of base 62, most significant first

CREATE FUNCTION key_checksum(random text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    digits constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'
                            'abcdefghijklmnopqrstuvwxyz';
    crc bigint := 4294967295;
    out text := '';
BEGIN
    FOR i IN 1 .. length(random) LOOP
        crc := crc # ascii(substr(random, i, 1));

        FOR k IN 1 .. 8 LOOP
            crc := (crc >> 1) # (CASE crc & 1 WHEN 1 THEN 3988292384
                                 ELSE 0 END);
        END LOOP;
    END LOOP;

    crc := crc # 4294967295;

    FOR i IN 1 .. 6 LOOP
        out := substr(digits, (crc % 62)::integer + 1, 1) || out;
        crc := crc / 62;
    END LOOP;

    RETURN out;
END $$;

-- A new key.  Two UUIDs have 244 random bits from the server's strong source;
-- SHA-256 spreads them.  A byte past 4 * 62 is passed over, so that no
-- character is likelier than another.

CREATE FUNCTION key_make() RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    digits constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'
                            'abcdefghijklmnopqrstuvwxyz';
    random text := '';
    bytes  bytea;
    n      integer;
BEGIN
    WHILE length(random) < 32 LOOP
        bytes := sha256(uuid_send(gen_random_uuid())
                        || uuid_send(gen_random_uuid()));

        FOR i IN 0 .. 31 LOOP
            n := get_byte(bytes, i);

            IF n < 248 AND length(random) < 32 THEN
                random := random || substr(digits, n % 62 + 1, 1);
            END IF;
        END LOOP;
    END LOOP;

    RETURN 'sk_ai_' || random || key_checksum(random);
END $$;

CREATE FUNCTION key_add(tenant text, name text, digest bytea, prefix text,
    models text[], expires_at timestamptz, user_name text) RETURNS bigint
LANGUAGE plpgsql SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    n bigint;
BEGIN
    PERFORM check_models($5);

    IF cardinality($5) = 0 THEN
        PERFORM refuse('22023', 'models of a key must name some; leave it out '
                       'for those of the plan');
    END IF;

    IF $6 <= now() THEN
        PERFORM refuse('22023', 'expires_at has passed');
    END IF;

    IF $7 IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.tenant = $1
                                      AND u.name = $7)
    THEN
        PERFORM refuse('AI404', format('no user %s of tenant %s',
            quote_literal($7), quote_literal($1)));
    END IF;

    INSERT INTO api_keys (tenant, name, digest, prefix, models, expires_at,
                          user_name)
    VALUES ($1, $2, $3, $4, $5, nullif($6, 'infinity'), $7)
    ON CONFLICT (digest) DO NOTHING
    RETURNING id INTO n;

    IF n IS NULL THEN
        PERFORM refuse('AI409', 'there is such a key already');
    END IF;

    RETURN n;
END $$;

CREATE FUNCTION check_key_new(tenant text, name text) RETURNS void
LANGUAGE plpgsql SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    PERFORM find_tenant(check_name('tenant', $1));
    PERFORM check_name('name', $2);

    IF EXISTS (SELECT FROM api_keys k
               WHERE k.tenant = $1 AND k.name = $2 AND k.revoked_at IS NULL
               AND coalesce(k.expires_at, 'infinity') > now())
    THEN
        PERFORM refuse('AI409', format('tenant %s has a key %s already: '
            'rotate it, or revoke it first', quote_literal($1),
            quote_literal($2)));
    END IF;
END $$;

-- the answer is the only place where the key ever stands

CREATE FUNCTION create_key(tenant text, name text, models text[] DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL, user_name text DEFAULT NULL)
    RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    key text := key_make();
    id  bigint;
BEGIN
    PERFORM check_key_new($1, $2);

    id := key_add($1, $2, sha256(convert_to(key, 'UTF8')), left(key, 10), $3,
                  $4, $5);

    PERFORM audit_add('create_key', $1, jsonb_build_object('tenant', $1,
        'name', $2, 'models', $3, 'expires_at', $4, 'user_name', $5),
        jsonb_build_object('id', id));

    RETURN jsonb_build_object('id', id, 'tenant', $1, 'name', $2, 'key', key);
END $$;

-- a key brought from elsewhere, as SHA-256 in hex; prefix is what may be shown

CREATE FUNCTION import_key(tenant text, name text, digest text,
    prefix text DEFAULT '', models text[] DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL, user_name text DEFAULT NULL)
    RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    id bigint;
BEGIN
    -- never quoted: somebody may have given the key itself

    IF $3 IS NULL OR $3 !~ '^[0-9A-Fa-f]{64}$' THEN
        PERFORM refuse('22023', 'digest must be 64 hexadecimal digits, '
                       'SHA-256 of the key');
    END IF;

    IF $4 !~ '^[!-~]{0,10}$' THEN
        PERFORM refuse('22023', 'prefix must be at most 10 characters that '
                       'can be seen');
    END IF;

    PERFORM check_key_new($1, $2);

    id := key_add($1, $2, decode($3, 'hex'), coalesce($4, ''), $5, $6, $7);

    PERFORM audit_add('import_key', $1, jsonb_build_object('tenant', $1,
        'name', $2, 'models', $5, 'expires_at', $6, 'user_name', $7),
        jsonb_build_object('id', id));

    RETURN jsonb_build_object('id', id, 'tenant', $1, 'name', $2);
END $$;

-- A new key of the same name, models and user; what is there of that name
-- expires after the overlap.  expires_at is the new one's: as the newest of
-- the old ones where it is not given.

CREATE FUNCTION rotate_key(tenant text, name text,
    overlap interval DEFAULT '1 day', expires_at timestamptz DEFAULT NULL)
    RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    key   text := key_make();
    old   api_keys;
    n     bigint;
    until timestamptz;
BEGIN
    PERFORM find_tenant(check_name('tenant', $1));
    PERFORM check_name('name', $2);

    IF $3 IS NULL OR $3 < '0' OR $3 > '1 year' THEN
        PERFORM refuse('22023', 'overlap must be between 0 and a year');
    END IF;

    SELECT * INTO old FROM api_keys
    WHERE tenant = $1 AND name = $2 AND revoked_at IS NULL
        AND coalesce(expires_at, 'infinity') > now()
    ORDER BY id DESC LIMIT 1;

    IF NOT FOUND THEN
        PERFORM refuse('AI404', format('tenant %s has no key %s in use',
            quote_literal($1), quote_literal($2)));
    END IF;

    n := key_add($1, $2, sha256(convert_to(key, 'UTF8')), left(key, 10),
                 old.models, coalesce($4, old.expires_at), old.user_name);
    until := date_trunc('second', now() + $3);

    UPDATE api_keys SET rotated_to = n,
        expires_at = least(expires_at, until),
        revoked_at = CASE WHEN $3 = '0' THEN now() END
    WHERE tenant = $1 AND name = $2 AND id <> n AND revoked_at IS NULL
        AND coalesce(expires_at, 'infinity') > now();

    PERFORM audit_add('rotate_key', $1, jsonb_build_object('tenant', $1,
        'name', $2, 'overlap', $3, 'expires_at', $4),
        jsonb_build_object('id', n, 'old', old.id, 'old_until', until));

    RETURN jsonb_build_object('id', n, 'tenant', $1, 'name', $2, 'key', key,
                              'old_until', until);
END $$;

-- one key by id, or all of a name

CREATE FUNCTION revoke_key(id bigint DEFAULT NULL, tenant text DEFAULT NULL,
    name text DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    owner text := $2;
    found bigint;
    n     bigint;
BEGIN
    IF $1 IS NULL AND ($2 IS NULL OR $3 IS NULL)
        OR $1 IS NOT NULL AND $3 IS NOT NULL
    THEN
        PERFORM refuse('22023', 'give either id, or tenant and name');
    END IF;

    SELECT count(*), min(k.tenant::text) INTO found, owner FROM api_keys k
    WHERE ($1 IS NULL OR k.id = $1) AND ($2 IS NULL OR k.tenant = $2)
        AND ($3 IS NULL OR k.name = $3);

    IF found = 0 THEN
        PERFORM refuse('AI404', 'no such key');
    END IF;

    UPDATE api_keys k SET revoked_at = now()
    WHERE ($1 IS NULL OR k.id = $1) AND ($2 IS NULL OR k.tenant = $2)
        AND ($3 IS NULL OR k.name = $3) AND k.revoked_at IS NULL;

    GET DIAGNOSTICS n = ROW_COUNT;

    PERFORM audit_add('revoke_key', owner, jsonb_build_object('id', $1,
        'tenant', $2, 'name', $3), jsonb_build_object('revoked', n));

    RETURN jsonb_build_object('revoked', n);
END $$;


-- ---- limits ----------------------------------------------------------------

-- Whose limit: a plan's, a tenant's, or (tenant and key) a key's.

CREATE FUNCTION check_limit(plan text, tenant text, key text, per_key boolean,
    resource text, period text) RETURNS void
LANGUAGE plpgsql SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    IF ($1 IS NULL) = ($2 IS NULL) THEN
        PERFORM refuse('22023', 'give either plan or tenant');
    END IF;

    IF $3 IS NOT NULL AND ($2 IS NULL OR $4) THEN
        PERFORM refuse('22023', 'key goes with tenant, and not with per_key');
    END IF;

    PERFORM check_word('resource', coalesce($5, ''),
        '{requests,tokens,input_tokens,output_tokens,cost,concurrency}');

    IF $5 = 'concurrency' AND $6 <> '' THEN
        PERFORM refuse('22023', 'concurrency has no period');
    END IF;

    IF $5 <> 'concurrency' THEN
        PERFORM check_word('period', $6, '{s,m,h,day,month}');
    END IF;

    IF $1 IS NOT NULL THEN
        PERFORM find_plan(check_name('plan', $1));

    ELSE
        PERFORM find_tenant(check_name('tenant', $2));
    END IF;

    IF $3 IS NOT NULL AND NOT EXISTS (SELECT FROM api_keys k
        WHERE k.tenant = $2 AND k.name = check_name('key', $3))
    THEN
        PERFORM refuse('AI404', format('tenant %s has no key %s',
            quote_literal($2), quote_literal($3)));
    END IF;
END $$;

CREATE FUNCTION limit_number(what text, resource text, amount numeric)
    RETURNS bigint
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    IF $3 IS NULL OR $3 < 0 THEN
        PERFORM refuse('22023', format('%s must be 0 or more', $1));
    END IF;

    IF $2 = 'cost' THEN
        RETURN dollars($1, $3);
    END IF;

    IF $3 > 4503599627370496 OR trunc($3) <> $3 THEN
        PERFORM refuse('22023', format('%s must be a whole number of at most '
                                       '4503599627370496', $1));
    END IF;

    RETURN $3;
END $$;

-- as "limit" of nginx.conf: cost in dollars, burst of a bucket only

CREATE FUNCTION set_limit(resource text, amount numeric,
    period text DEFAULT '', burst numeric DEFAULT NULL,
    plan text DEFAULT NULL, tenant text DEFAULT NULL, key text DEFAULT NULL,
    per_key boolean DEFAULT false) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    many bigint;
BEGIN
    PERFORM check_limit($5, $6, $7, coalesce($8, false), $1, coalesce($3, ''));

    IF $4 IS NOT NULL AND $3 NOT IN ('s', 'm', 'h') THEN
        PERFORM refuse('22023', 'burst goes with the periods s, m and h');
    END IF;

    IF $4 <= 0 THEN
        PERFORM refuse('22023', 'burst must be more than 0');
    END IF;

    INSERT INTO rate_limits (plan, tenant, key, per_key, resource, period,
                             amount, burst)
    VALUES ($5, $6, $7, coalesce($8, false), $1, coalesce($3, ''),
            limit_number('amount', $1, $2),
            CASE WHEN $4 IS NOT NULL THEN limit_number('burst', $1, $4) END)
    ON CONFLICT (coalesce(plan::text, ''), coalesce(tenant::text, ''),
                 coalesce(key::text, ''), per_key, resource, period)
    DO UPDATE SET amount = EXCLUDED.amount, burst = EXCLUDED.burst;

    SELECT count(*) INTO many FROM rate_limits r
    WHERE r.plan IS NOT DISTINCT FROM $5 AND r.tenant IS NOT DISTINCT FROM $6
        AND r.key IS NOT DISTINCT FROM $7
        AND r.per_key = coalesce($8, false);

    IF many > 24 THEN
        PERFORM refuse('AI409', 'there are 24 limits already');
    END IF;

    PERFORM audit_add('set_limit', $6, jsonb_build_object('resource', $1,
        'amount', $2, 'period', $3, 'burst', $4, 'plan', $5, 'tenant', $6,
        'key', $7, 'per_key', $8));

    RETURN jsonb_build_object('resource', $1, 'period', coalesce($3, ''),
                              'amount', $2);
END $$;

CREATE FUNCTION drop_limit(resource text, period text DEFAULT '',
    plan text DEFAULT NULL, tenant text DEFAULT NULL, key text DEFAULT NULL,
    per_key boolean DEFAULT false) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    PERFORM check_limit($3, $4, $5, coalesce($6, false), $1, coalesce($2, ''));

    DELETE FROM rate_limits r
    WHERE r.plan IS NOT DISTINCT FROM $3 AND r.tenant IS NOT DISTINCT FROM $4
        AND r.key IS NOT DISTINCT FROM $5
        AND r.per_key = coalesce($6, false)
        AND r.resource = $1 AND r.period = coalesce($2, '');

    IF NOT FOUND THEN
        PERFORM refuse('AI404', 'no such limit');
    END IF;

    PERFORM audit_add('drop_limit', $4, jsonb_build_object('resource', $1,
        'period', $2, 'plan', $3, 'tenant', $4, 'key', $5, 'per_key', $6));

    RETURN jsonb_build_object('dropped', 1);
END $$;

CREATE INDEX ON rate_limits (tenant, key) WHERE tenant IS NOT NULL;
CREATE INDEX ON rate_limits (plan) WHERE plan IS NOT NULL;


-- ---- credit ----------------------------------------------------------------

-- Enters money for a tenant, once for each reference: the same payment again
-- is no error and changes nothing.  The tenant's row is locked, so that two
-- calls with one reference follow each other.

CREATE FUNCTION credit_add(tenant text, nanos bigint, reference text,
    kind text, account text, memo text) RETURNS jsonb
LANGUAGE plpgsql SET search_path = ai, pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    was   credits;
    entry bigint;
    fresh boolean := false;
BEGIN
    PERFORM find_tenant(check_name('tenant', $1), true);

    SELECT c.* INTO was FROM credits c WHERE c.tenant = $1
        AND c.reference = $3;

    IF was.id IS NULL THEN
        INSERT INTO billing_transactions (tenant, kind, reference, actor)
        VALUES ($1, $4, $6, actor()) RETURNING id INTO entry;

        INSERT INTO billing_entries (transaction, tenant, account,
                                     amount_nanos)
        VALUES (entry, $1, 'tenant', $2), (entry, $1, $5, -$2);

        INSERT INTO balances AS b (tenant, node, balance_nanos)
        VALUES ($1, '00000000-0000-0000-0000-000000000000', $2)
        ON CONFLICT (tenant, node)
        DO UPDATE SET balance_nanos = b.balance_nanos + $2;

        INSERT INTO credits (tenant, amount_nanos, reference, transaction)
        VALUES ($1, $2, $3, entry) RETURNING * INTO was;

        fresh := true;

    ELSIF was.amount_nanos <> $2
        OR NOT EXISTS (SELECT FROM billing_transactions t
                       WHERE t.id = was.transaction AND t.kind = $4)
    THEN
        PERFORM refuse('AI409', format('reference %s was entered before, as '
            '%s dollars', quote_literal($3), usd(was.amount_nanos)));
    END IF;

    RETURN jsonb_build_object('tenant', $1, 'entered', fresh,
        'transaction', was.transaction, 'balance_usd',
        (SELECT usd(sum(b.balance_nanos))::text FROM balances b
         WHERE b.tenant = $1));
END $$;

CREATE FUNCTION top_up(tenant text, amount numeric, reference text)
    RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    r jsonb;
BEGIN
    IF dollars('amount', $2) <= 0 THEN
        PERFORM refuse('22023', 'amount must be more than 0');
    END IF;

    r := credit_add($1, dollars('amount', $2),
                    check_text('reference', $3, 200), 'credit', 'cash', $3);

    PERFORM audit_add('top_up', $1, jsonb_build_object('tenant', $1,
        'amount', $2, 'reference', $3), r);

    RETURN r;
END $$;

-- what is right for another reason: goodwill, a refund, a correction by hand

CREATE FUNCTION adjust(tenant text, amount numeric, reason text,
    reference text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    r jsonb;
BEGIN
    IF dollars('amount', $2) = 0 THEN
        PERFORM refuse('22023', 'amount must not be 0');
    END IF;

    r := credit_add($1, dollars('amount', $2),
                    check_text('reference', $4, 200), 'adjustment',
                    'adjustment', check_text('reason', $3, 1000));

    PERFORM audit_add('adjust', $1, jsonb_build_object('tenant', $1,
        'amount', $2, 'reason', $3, 'reference', $4), r);

    RETURN r;
END $$;


-- ---- lists -----------------------------------------------------------------

-- In the order of names; "after" is the last one of the page before.

CREATE FUNCTION check_page(most integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    IF most IS NULL OR most NOT BETWEEN 1 AND 10000 THEN
        PERFORM refuse('22023', 'limit must be 1 to 10000');
    END IF;

    RETURN most;
END $$;

CREATE FUNCTION limits_of(plan text, tenant text, key text) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('resource', r.resource,
            'period', r.period,
            'amount', CASE r.resource WHEN 'cost' THEN usd(r.amount)
                      ELSE r.amount END,
            'burst', CASE r.resource WHEN 'cost' THEN usd(r.burst)
                     ELSE r.burst END,
            'key', r.key, 'per_key', r.per_key)
        ORDER BY r.key NULLS FIRST, r.per_key, r.resource, r.period), '[]')
    FROM rate_limits r
    WHERE r.plan = $1 OR (r.tenant = $2 AND ($3 IS NULL OR r.key = $3))
$$;

CREATE FUNCTION list_plans() RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT to_jsonb(p) || jsonb_build_object('limits',
                                             limits_of(p.name, NULL, NULL),
        'tenants', (SELECT count(*) FROM tenants t WHERE t.plan = p.name))
    FROM plans p ORDER BY p.name
$$;

CREATE FUNCTION list_tenants(after text DEFAULT '', "limit" integer
    DEFAULT 1000, plan text DEFAULT NULL) RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT to_jsonb(t) || jsonb_build_object('balance_usd',
        (SELECT usd(coalesce(sum(b.balance_nanos), 0))::text FROM balances b
         WHERE b.tenant = t.name))
    FROM tenants t
    WHERE t.name::text > coalesce($1, '') COLLATE "C"
        AND ($3 IS NULL OR t.plan = $3)
    ORDER BY t.name LIMIT check_page($2)
$$;

CREATE FUNCTION list_keys(tenant text) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM tenants t
                   WHERE t.name = check_name('tenant', $1))
    THEN
        PERFORM refuse('AI404', format('no tenant %s', quote_literal($1)));
    END IF;

    RETURN QUERY
    SELECT to_jsonb(k) - 'digest' || jsonb_build_object(
        'state', CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'
                      WHEN k.expires_at <= now() THEN 'expired'
                      WHEN k.rotated_to IS NOT NULL THEN 'rotated'
                      ELSE 'active' END,
        'limits', limits_of(NULL, k.tenant, k.name))
    FROM api_keys k WHERE k.tenant = $1 ORDER BY k.name, k.id;
END $$;

CREATE FUNCTION show_tenant(name text) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
DECLARE
    r jsonb;
BEGIN
    PERFORM check_name('tenant', $1);

    SELECT to_jsonb(t) || jsonb_build_object(
        'limits', limits_of(NULL, t.name, NULL),
        'plan_limits', limits_of(t.plan, NULL, NULL),
        'keys', (SELECT coalesce(jsonb_agg(k), '[]') FROM list_keys($1) k),
        'users', (SELECT coalesce(jsonb_agg(to_jsonb(u) - 'tenant'
                                            ORDER BY u.name), '[]')
                  FROM users u WHERE u.tenant = t.name),
        'balance_usd', (SELECT usd(coalesce(sum(b.balance_nanos), 0))::text
                        FROM balances b WHERE b.tenant = t.name),
        'month_usd', (SELECT usd(coalesce(sum(s.cost_nanos), 0))::text
                      FROM spend s WHERE s.tenant = t.name AND s.key = ''
                      AND s.day >= date_trunc('month', now()
                                              AT TIME ZONE 'UTC')::date))
    INTO r FROM tenants t WHERE t.name = $1;

    IF r IS NULL THEN
        PERFORM refuse('AI404', format('no tenant %s', quote_literal($1)));
    END IF;

    RETURN r;
END $$;

-- how long rows of usage are kept; NULL: for ever

CREATE FUNCTION set_retention(keep interval) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
BEGIN
    IF $1 < interval '32 days' THEN
        PERFORM refuse('22023', 'keep must be 32 days or more');
    END IF;

    UPDATE housekeeping h SET keep = $1;

    PERFORM audit_add('set_retention', NULL, jsonb_build_object('keep', $1));

    RETURN jsonb_build_object('keep', $1);
END $$;

-- the newest first; "before" is the last id of the page before

CREATE FUNCTION list_alerts(tenant text DEFAULT NULL,
    before bigint DEFAULT NULL, "limit" integer DEFAULT 100)
    RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT to_jsonb(a) FROM alerts a
    WHERE ($1 IS NULL OR a.tenant = $1) AND ($2 IS NULL OR a.id < $2)
    ORDER BY a.id DESC LIMIT check_page($3)
$$;

CREATE FUNCTION list_audit(tenant text DEFAULT NULL,
    before bigint DEFAULT NULL, "limit" integer DEFAULT 100)
    RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = ai, pg_catalog, pg_temp AS $$
    SELECT to_jsonb(a) FROM audit a
    WHERE ($1 IS NULL OR a.tenant = $1) AND ($2 IS NULL OR a.id < $2)
    ORDER BY a.id DESC LIMIT check_page($3)
$$;
